"""Selectors: which records are meant. The small language of a claims file.

A selector is a table of conditions on a record's fields, all of which must hold:
`{type = "syscall", name = ["open", "openat"], "args.flags" = {has = "O_RDONLY"}}`. A key is a path of
field names; dots separate them unless the whole rest is a field's name (`.text`). A condition is a value (equal),
a list (one of them) or a table of operators. `$NAME` in a text stands for a variable of the run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

Record: TypeAlias = Mapping[str, Any]
Selector: TypeAlias = Mapping[str, Any]
Variables: TypeAlias = Mapping[str, Any]

MISSING: Any = object()
#: Kinds of records there are to select from.
TYPES = frozenset(
    (
        *("header", "syscall", "exec", "exit", "signal", "end", "output"),
        *("kernel_call", "kernel_event", "uevent", "log", "state", "file", "survey"),
    )
)


def _contains(value: Any, wanted: Any) -> bool:  # noqa: ANN401 - records hold any JSON
    return isinstance(value, str | list | dict) and wanted in value


OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "exists": lambda value, wanted: (value is not MISSING and value is not None) is wanted,
    "equals": lambda value, wanted: value == wanted,
    "not": lambda value, wanted: value is not MISSING and value != wanted,
    "has": _contains,
    "lacks": lambda value, wanted: value is not MISSING and not _contains(value, wanted),
    "starts": lambda value, wanted: isinstance(value, str) and value.startswith(wanted),
    "ends": lambda value, wanted: isinstance(value, str) and value.endswith(wanted),
    "matches": lambda value, wanted: isinstance(value, str) and re.search(wanted, value) is not None,
    "at_least": lambda value, wanted: isinstance(value, int | float) and value >= wanted,
    "below": lambda value, wanted: isinstance(value, int | float) and value < wanted,
}


#: What operators can do nothing with but one kind of value.
_OPERANDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "exists": ("true or false", (bool,)),
    **dict.fromkeys(("starts", "ends", "matches"), ("a text", (str,))),
    **dict.fromkeys(("at_least", "below"), ("a number", (int, float))),
}


def problems_of(selector: object) -> list[str]:
    """Return what is wrong with a selector as written, as short phrases; none when it is sound."""
    if not isinstance(selector, dict) or not selector:
        return ["a selector is a table with at least one condition"]
    if "type" not in selector:
        return ["a selector names the record's type"]
    known = ", ".join(sorted(TYPES))
    found = [] if str(selector["type"]) in TYPES else [f"unknown type '{selector['type']}'; there are {known}"]
    for key, condition in selector.items():
        if isinstance(condition, dict):
            unknown = sorted(set(condition) - set(OPERATORS)) or ([] if condition else [""])
            found += [f"'{one}': unknown operator of {key}; there are {', '.join(OPERATORS)}" for one in unknown]
            found += _operand_problems(condition)
            found += _pattern_problems(key, condition)
    return found


def _operand_problems(condition: Mapping[str, Any]) -> list[str]:
    return [
        f"'{operator}' takes {what}"
        for operator, (what, kinds) in _OPERANDS.items()
        if operator in condition and type(condition[operator]) not in kinds and not _is_variable(condition[operator])
    ]


def _is_variable(operand: object) -> bool:
    return isinstance(operand, str) and operand.startswith("$")


def _pattern_problems(key: str, condition: Mapping[str, Any]) -> list[str]:
    try:
        re.compile(str(condition.get("matches", "")))
    except re.error as error:
        return [f"'{key}': not a regular expression: {error}"]
    return []


def matches(selector: Selector, record: Record, variables: Variables) -> bool:
    """Tell whether a record meets every condition of the selector."""
    return all(_meets(field_of(record, key), substituted(condition, variables)) for key, condition in selector.items())


def find(selector: Selector, records: Sequence[Record], variables: Variables) -> list[Record]:
    """Return the records that match, in their order."""
    return [record for record in records if matches(selector, record, variables)]


def field_of(record: object, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at a path, or MISSING."""
    if not isinstance(record, Mapping):
        return MISSING
    if path in record:
        return record[path]
    first, _, rest = path.partition(".")
    return field_of(record[first], rest) if rest and first in record else MISSING


def describe(selector: Selector, variables: Variables) -> str:
    """Say in words what is looked for, for a report."""
    kind = str(selector.get("type", "record"))
    conditions = [
        f"{key.removeprefix('args.')} {_in_words(substituted(condition, variables))}"
        for key, condition in selector.items()
        if key != "type"
    ]
    return f"{kind} with {' and '.join(conditions)}" if conditions else kind


def _in_words(condition: object) -> str:
    if isinstance(condition, dict):
        return " and ".join(f"{operator} {wanted!r}" for operator, wanted in condition.items())
    if isinstance(condition, list):
        return " or ".join(map(repr, condition))
    return repr(condition)


def _meets(value: Any, condition: Any) -> bool:  # noqa: ANN401
    if isinstance(condition, dict):
        return all(OPERATORS[operator](value, wanted) for operator, wanted in condition.items())
    if isinstance(condition, list):
        return value in condition
    return bool(value == condition) and type(value) is type(condition)


def substituted(condition: Any, variables: Variables) -> Any:  # noqa: ANN401
    """Put variables in: `$file_size` alone keeps the variable's type, inside a text it is text."""
    if isinstance(condition, dict):
        return {operator: substituted(wanted, variables) for operator, wanted in condition.items()}
    if isinstance(condition, list):
        return [substituted(wanted, variables) for wanted in condition]
    if not isinstance(condition, str) or "$" not in condition:
        return condition
    if condition[1:] in variables and condition[0] == "$":
        return variables[condition[1:]]
    return re.sub(r"\$(\w+)", lambda name: str(variables.get(name[1], name[0])), condition)
