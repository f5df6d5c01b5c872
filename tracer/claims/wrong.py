"""A mistake in one table of a claims file, on its way to whoever knows the line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


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


def texts_in(table: Mapping[str, Any], *keys: str) -> None:
    """Check that the table has a text under each of the keys.

    Raises:
        Wrong: it has not.
    """
    for key in keys:
        if not isinstance(table.get(key), str) or not table[key]:
            raise Wrong(f"'{key}' is missing, or no text", key)
