"""Answers of the kernels are kept from run to run."""

from __future__ import annotations

from pathlib import Path

from pyinsmod.cli.reality import Reality
from tests.agreement.case import Case
from tests.agreement.measure import Answers
from tests.agreement.surroundings import SURROUNDINGS, key_in

CASE = Case("fault/plain/not-elf", b"content")
ANSWER = Reality("refused", "ENOEXEC", ("Invalid ELF header magic: != \x7fELF",))


def test_an_answer_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "cache" / "6.1.jsonl"
    assert Answers("6.1", path).get("key") is None
    Answers("6.1", path).keep("key", CASE, ANSWER)
    assert Answers("6.1", path).get("key") == ANSWER


def test_a_run_that_was_killed_leaves_half_a_line(tmp_path: Path) -> None:
    path = tmp_path / "6.1.jsonl"
    Answers("6.1", path).keep("key", CASE, ANSWER)
    path.write_text(path.read_text() + '{"key": "other", "outco')
    assert Answers("6.1", path).get("key") == ANSWER
    assert Answers("6.1", path).get("other") is None


def test_answers_in_other_surroundings_never_pass_for_those_of_the_machine_as_it_stands(tmp_path: Path) -> None:
    path, key = tmp_path / "6.1.jsonl", CASE.key("6.1.0")
    Answers("6.1", path).keep(key, CASE, ANSWER)
    others = {key_in(each, CASE, "6.1.0"): each for each in SURROUNDINGS}
    assert len(others) == len(SURROUNDINGS)
    for other, surroundings in others.items():
        Answers("6.1", path).keep(other, CASE, Reality("loaded"), surroundings.name)
    known = Answers("6.1", path)
    assert known.get(key) == ANSWER
    assert {known.get(other) for other in others} == {Reality("loaded")}


def test_the_last_answer_is_the_answer_and_the_earlier_ones_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "6.1.jsonl"
    Answers("6.1", path).keep("key", CASE, Reality("loaded"))
    Answers("6.1", path).keep("key", CASE, ANSWER)
    known = Answers("6.1", path)
    assert known.get("key") == ANSWER
    assert known.earlier("key") == [Reality("loaded")]
    assert known.earlier("other") == []


def test_an_answer_belongs_to_kernel_file_and_manner() -> None:
    others = [
        CASE._replace(name="fault/plain/other"),
        CASE._replace(content=b"other"),
        CASE._replace(parameters="a=1"),
        CASE._replace(first=("x_tables",)),
        CASE._replace(syscall="finit_module"),
    ]
    keys = {CASE.key("6.1.0"), CASE.key("6.12.0"), *(each.key("6.1.0") for each in others)}
    assert len(keys) == 2 + len(others)
    assert CASE.key("6.1.0") == Case(*CASE).key("6.1.0")
