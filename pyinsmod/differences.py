"""Two values, one above the other, with what differs marked. Pure: text and columns in, text and columns out.

Values may hold anything and be a megabyte long (they come from modules): they are escaped, and cut around the
first difference, before a word of them is compared.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pyinsmod.text import printable

# Wide enough for two version magics; a terminal wraps what is longer.
WIDTH = 100

# So much of a long value is looked at; words beyond are neither shown nor compared.
WINDOW = 2048
BEFORE = 24

# A table of so many words squared is compared at most; values with more differ as a whole in the middle.
MOST_WORDS = 64

CUT = "…"

Span = tuple[int, int]


class Line(NamedTuple):
    """A value as it is to be shown, and the columns [from, to) of it that the other value has not."""

    text: str
    marks: tuple[Span, ...] = ()

    @property
    def carets(self) -> str:
        """The line to show below it: carets below the marked columns, or nothing."""
        line = ""
        for start, end in self.marks:
            line += " " * (columns(self.text[:start]) - len(line)) + "^" * columns(self.text[start:end])
        return line


def side_by_side(
    module: str, kernel: str, width: int = WIDTH, *, first_word: bool = True, alike: bool = False
) -> tuple[Line, Line]:
    """Return both values with their differing words marked, cut to about `width` columns around the first of them.

    Without `first_word` the first words are never marked. Values that have too little in common (a sentence beside
    a number) are not marked at all, unless they are known to be of a kind (`alike`). Where no word differs, single
    characters are marked, and quotes show where the values end.
    """
    if module == kernel:
        return _cut((Line(printable(module[:WINDOW])), Line(printable(kernel[:WINDOW]))), width)
    start = max(0, first_difference(module, kernel) - WINDOW // 2)
    left, right = (printable(value[start : start + WINDOW]) for value in (module, kernel))
    if left.split() == right.split():
        left, right = f"'{left}'", f"'{right}'"
        lines = _marked_characters(left, right)
    else:
        lines = _marked_words(left, right, first_word=first_word or start > 0, alike=alike)
    return _cut(lines, width, cut_before=start > 0)


def first_difference(one: str, other: str) -> int:
    """Return the index of the first character that differs, in time that grows with the length only."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def columns(text: str) -> int:
    """Return how many columns a terminal needs: CJK characters take two, combining ones none."""
    if text.isascii():
        return len(text)
    import unicodedata

    wide = sum(1 for char in text if unicodedata.east_asian_width(char) in "WF")
    return len(text) + wide - sum(1 for char in text if unicodedata.combining(char))


def _marked_words(left: str, right: str, *, first_word: bool, alike: bool) -> tuple[Line, Line]:
    ours, theirs = (list(re.finditer(r"\S+", value)) for value in (left, right))
    if len(ours) == len(theirs) == 1:
        lines = _marked_characters(left, right)
        same = len(left) - sum(end - start for start, end in lines[0].marks)
        return lines if 2 * same >= max(len(left), len(right)) else (Line(left), Line(right))
    ours, theirs = _without_remark(ours), _without_remark(theirs)
    kept = common([word[0] for word in ours], [word[0] for word in theirs])
    if not alike and 5 * len(kept) < 2 * max(len(ours), len(theirs)):
        return Line(left), Line(right)
    unmarked = set() if first_word else {0}
    kept_ours, kept_theirs = unmarked.union(pair[0] for pair in kept), unmarked.union(pair[1] for pair in kept)
    return (
        Line(left, tuple(word.span() for index, word in enumerate(ours) if index not in kept_ours)),
        Line(right, tuple(word.span() for index, word in enumerate(theirs) if index not in kept_theirs)),
    )


def _without_remark(words: list[re.Match[str]]) -> list[re.Match[str]]:
    """Leave out what stands in brackets at the end: where the value is from."""
    remark = next((index for index, word in enumerate(words) if index and word[0].startswith("(")), len(words))
    return words[:remark]


def _marked_characters(left: str, right: str) -> tuple[Line, Line]:
    """Mark what is left when the common beginning and the common end are taken away."""
    start = first_difference(left, right)
    end = min(first_difference(left[::-1], right[::-1]), min(len(left), len(right)) - start)
    return _marked(left, start, len(left) - end), _marked(right, start, len(right) - end)


def _marked(text: str, start: int, end: int) -> Line:
    return Line(text, ((start, end),) if end > start else ())


def common(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    """Return index pairs of a longest common subsequence; beyond MOST_WORDS, of the common beginning and end."""
    start = _shared(ours, theirs)
    end = min(_shared(ours[::-1], theirs[::-1]), min(len(ours), len(theirs)) - start)
    pairs = [(index, index) for index in range(start)]
    middle, other = ours[start : len(ours) - end], theirs[start : len(theirs) - end]
    if len(middle) <= MOST_WORDS and len(other) <= MOST_WORDS:
        pairs += [(start + one, start + two) for one, two in _longest_common(middle, other)]
    return pairs + [(len(ours) - index, len(theirs) - index) for index in range(end, 0, -1)]


def _shared(ours: Sequence[str], theirs: Sequence[str]) -> int:
    count = 0
    for one, other in zip(ours, theirs, strict=False):
        if one != other:
            break
        count += 1
    return count


def _longest_common(ours: Sequence[str], theirs: Sequence[str]) -> list[tuple[int, int]]:
    lengths = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for one in range(len(ours) - 1, -1, -1):
        for two in range(len(theirs) - 1, -1, -1):
            same = lengths[one + 1][two + 1] + 1 if ours[one] == theirs[two] else 0
            lengths[one][two] = max(same, lengths[one + 1][two], lengths[one][two + 1])
    pairs, one, two = [], 0, 0
    while one < len(ours) and two < len(theirs):
        if ours[one] == theirs[two]:
            pairs.append((one, two))
            one, two = one + 1, two + 1
        elif lengths[one + 1][two] >= lengths[one][two + 1]:
            one += 1
        else:
            two += 1
    return pairs


def _cut(lines: tuple[Line, Line], width: int, *, cut_before: bool = False) -> tuple[Line, Line]:
    """Cut both lines at the same column, so that what stands below each other still does."""
    firsts = [line.marks[0][0] for line in lines if line.marks]
    longest = max(len(line.text) for line in lines)
    start = max(0, min(firsts) - BEFORE) if firsts and longest > width else 0
    return _window(lines[0], start, width, cut_before), _window(lines[1], start, width, cut_before)


def _window(line: Line, start: int, width: int, cut_before: bool) -> Line:
    before = CUT if start or cut_before else ""
    after = CUT if len(line.text) > start + width else ""
    end = start + width - len(after)
    shift = len(before) - start
    marks = ((max(one, start), min(two, end)) for one, two in line.marks)
    return Line(
        before + line.text[start:end] + after,
        tuple((one + shift, two + shift) for one, two in marks if two > one),
    )
