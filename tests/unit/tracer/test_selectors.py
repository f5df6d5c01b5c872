from __future__ import annotations

from typing import Any

import pytest

from tracer.selectors import MISSING, describe, field_of, find, matches, problems_of

OPEN = {
    "type": "syscall",
    "name": "openat",
    "args": {"pathname": "mymod.ko", "flags": ["O_RDONLY", "O_CLOEXEC"], "fd": None},
    "return": 3,
    "errno": None,
}
STATE = {"type": "state", "sections": {".text": 7, ".init.text": 9}, "present": None}


@pytest.mark.parametrize(
    ("selector", "problem"),
    [
        ("no table", "a selector is a table"),
        ({}, "at least one condition"),
        ({"name": "open"}, "names the record's type"),
        ({"type": "syscall", "name": {"like": "open"}}, "unknown operator"),
        ({"type": "syscall", "name": {}}, "unknown operator"),
        ({"type": "log", "text": {"matches": "("}}, "not a regular expression"),
    ],
)
def test_a_wrong_selector_is_explained(selector: object, problem: str) -> None:
    assert any(problem in found for found in problems_of(selector))


def test_a_sound_selector_has_no_problems() -> None:
    assert problems_of({"type": "log", "text": {"matches": "^x", "not": "xy"}}) == []


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"name": "openat"}, True),
        ({"name": ["open", "openat"]}, True),
        ({"name": "open"}, False),
        ({"return": 3}, True),
        ({"return": "3"}, False),
        ({"return": {"at_least": 3}}, True),
        ({"return": {"at_least": 4}}, False),
        ({"return": {"below": 3}}, False),
        ({"args.flags": {"has": "O_CLOEXEC"}}, True),
        ({"args.flags": {"lacks": "O_CLOEXEC"}}, False),
        ({"args.flags": {"equals": ["O_RDONLY", "O_CLOEXEC"]}}, True),
        ({"args.flags": {"equals": ["O_RDONLY"]}}, False),
        ({"args.pathname": {"ends": ".ko", "starts": "my"}}, True),
        ({"args.pathname": {"ends": ".ko", "starts": "other"}}, False),
        ({"args.pathname": {"matches": "MYMOD"}}, False),
        ({"args.pathname": {"matches": "(?i)MYMOD"}}, True),
        ({"args.fd": {"exists": False}}, True),
        ({"args.nothing": {"exists": False}}, True),
        ({"args.nothing": {"exists": True}}, False),
        ({"args.nothing": {"not": "x"}}, False),
        ({"errno": {"not": "ENOENT"}}, True),
        ({"args.nothing": {"lacks": "x"}}, False),
    ],
)
def test_conditions(condition: dict[str, Any], expected: bool) -> None:
    assert matches({"type": "syscall", **condition}, OPEN, {}) is expected


def test_zero_is_not_false() -> None:
    assert not matches({"type": "syscall", "return": 0}, {"type": "syscall", "return": False}, {})


def test_names_with_dots_are_found() -> None:
    assert field_of(STATE, "sections..text") == 7
    assert field_of(STATE, "sections..init.text") == 9
    assert field_of(STATE, "sections..data") is MISSING


def test_variables_keep_their_type_alone_and_become_text_within_text() -> None:
    variables = {"file_size": 10, "module": "mymod"}
    assert matches({"type": "x", "return": {"at_least": "$file_size"}}, {"type": "x", "return": 10}, variables)
    assert not matches({"type": "x", "return": {"at_least": "$file_size"}}, {"type": "x", "return": 9}, variables)
    assert matches({"type": "x", "text": "in $module"}, {"type": "x", "text": "in mymod"}, variables)


def test_an_unknown_variable_stays_as_it_is() -> None:
    assert not matches({"type": "x", "text": "$nothing"}, {"type": "x", "text": ""}, {})


def test_records_come_in_their_order() -> None:
    records = [{"type": "log", "text": str(number)} for number in range(5)]
    assert [record["text"] for record in find({"type": "log"}, records, {})] == list("01234")


def test_a_selector_in_words_says_what_is_looked_for() -> None:
    words = describe(
        {"type": "syscall", "name": ["init_module", "finit_module"], "return": {"at_least": "$n"}}, {"n": 5}
    )
    assert words == "syscall with name 'init_module' or 'finit_module' and return at_least 5"
