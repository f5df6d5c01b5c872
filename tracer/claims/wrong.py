"""A mistake in one table of a claims file, on its way to whoever knows the line."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

TEXT, NUMBER, YES_NO, TABLE = "a text", "a number", "true or false", "a table"
TEXTS, TABLES = "a list of texts", "a list of tables"
#: What a key may hold, in the words of a complaint → how that is told.
KINDS: Mapping[str, Callable[[object], bool]] = {
    TEXT: lambda value: isinstance(value, str),
    NUMBER: lambda value: isinstance(value, int) and not isinstance(value, bool),
    YES_NO: lambda value: isinstance(value, bool),
    TABLE: lambda value: isinstance(value, dict),
    TEXTS: lambda value: isinstance(value, list) and all(isinstance(one, str) for one in value),
    TABLES: lambda value: isinstance(value, list) and all(isinstance(one, dict) for one in value),
}


class Wrong(Exception):
    """A mistake in a table; `word` is what to look for in its lines."""

    def __init__(self, problem: str, word: str | None = None) -> None:
        self.word = word
        super().__init__(problem)


def table_with(value: object, known: Collection[str]) -> Mapping[str, Any]:
    """Return the value, a table without unknown keys; `known` is empty where any key will do.

    Raises:
        Wrong: it is none.
    """
    if not isinstance(value, Mapping):
        raise Wrong("is not a table")
    for key in sorted(set(value) - set(known)) if known else ():
        raise Wrong(f"unknown key '{key}'; there are {', '.join(sorted(known))}", key)
    return value


def of_kinds(value: object, kinds: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the value, a table with none but these keys, each of which holds what it is to hold: one of `KINDS`.

    Raises:
        Wrong: it is none.
    """
    known = table_with(value, kinds)
    for key, each in known.items():
        if not KINDS[kinds[key]](each):
            raise Wrong(f"'{key}' is {kinds[key]}", key)
    return known


def texts_in(table: Mapping[str, Any], *keys: str) -> None:
    """Check that the table has a text under each of the keys.

    Raises:
        Wrong: it has not.
    """
    for key in keys:
        if not isinstance(table.get(key), str) or not table[key]:
            raise Wrong(f"'{key}' is missing, or no text", key)
