"""Which line of a claims file something stands on: complaints name it, and tomllib does not keep it."""

from __future__ import annotations

import re

_TABLE = re.compile(r"\s*(\[\[?)\s*(.+?)\s*\]\]?\s*(?:#.*)?$")


class Lines:
    """The lines of a TOML text by table; a string of several lines that looks like a table is taken for one."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._tables: dict[str, list[int]] = {}
        for number, line in enumerate(self._lines):
            found = _TABLE.match(line)
            if found:
                self._tables.setdefault(found[1] + found[2].replace(" ", ""), []).append(number)
        self._starts = sorted(number for numbers in self._tables.values() for number in numbers)

    def of_array(self, name: str, number: int, word: str | None = None) -> int:
        """Return the line (from 1) of the `number`-th (from 0) `[[name]]`, or of `word` inside it."""
        found = self._tables.get(f"[[{name}", [])
        return self._within(found[number], word) if number < len(found) else self.of_word(word or name)

    def of_table(self, name: str, word: str | None = None) -> int:
        """Return the line (from 1) of `[name]`, or of `word` inside it."""
        for header in (f"[{name}", f"[{_quoted(name)}"):
            if header in self._tables:
                return self._within(self._tables[header][0], word)
        return self.of_word(word or name.rpartition(".")[2])

    def of_word(self, word: str) -> int:
        """Return the first line that has a word; 1 when none has."""
        return next((number for number, line in enumerate(self._lines, 1) if _has(line, word)), 1)

    def _within(self, start: int, word: str | None) -> int:
        end = next((number for number in self._starts if number > start), len(self._lines))
        if word:
            for number in range(start, end):
                if _has(self._lines[number], word):
                    return number + 1
        return start + 1


def _has(line: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", line) is not None


def _quoted(name: str) -> str:
    first, _, rest = name.partition(".")
    return f'{first}."{rest}"'
