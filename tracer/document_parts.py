"""Where things stand in a Markdown document: steps, fences, the table of failures. Lines, not a full parser."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

_HEADING = re.compile(r"#{1,6}\s+step\s+(\d+)\b\s*[:.–—-]?\s*(.*?)\s*#*\s*$", re.IGNORECASE)
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_TABLE = re.compile(r"\s*\|")
_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)\s*$")


@dataclass(frozen=True)
class Line:
    """A line with its newline, where it starts in the text, and after which line an insertion may follow it."""

    text: str
    start: int
    fenced: bool
    last_of_block: int


@dataclass(frozen=True)
class Heading:
    """The heading of a step: its number, its title, and where it starts in the text."""

    step: int
    title: str
    start: int


def lines_of(text: str) -> list[Line]:
    r"""Return the lines of a document; only `\n` ends one, so that joining them gives the text back."""
    raw = [part for part in re.split(r"(?<=\n)", text) if part]
    fences = list(_fence_numbers(raw))
    lines, start = [], 0
    for number, part in enumerate(raw):
        lines.append(Line(part, start, fences[number] is not None, _last_of_block(raw, fences, number)))
        start += len(part)
    return lines


def step_headings(text: str) -> list[Heading]:
    """Return the headings `### Step N: …`, in order, those inside code excepted."""
    found = []
    for line in lines_of(text):
        heading = None if line.fenced else _HEADING.match(line.text)
        if heading:
            found.append(Heading(int(heading[1]), heading[2], line.start))
    return found


def failure_rows(text: str) -> dict[str, str]:
    """Return `F1`, `F2` … and the first cell of each row of the document's last table."""
    table = _last_table(lines_of(text))
    body = [line.text for line in table[1:] if not _RULE.match(line.text)]
    return {f"F{number}": row.strip().strip("|").split("|")[0].strip() for number, row in enumerate(body, 1)}


def failure_table_start(text: str) -> int | None:
    """Return where the last table starts in the text, or None when there is none."""
    table = _last_table(lines_of(text))
    return table[0].start if table else None


def _last_table(lines: Sequence[Line]) -> list[Line]:
    runs = groupby(lines, key=lambda line: not line.fenced and bool(_TABLE.match(line.text)))
    tables = [list(run) for is_table, run in runs if is_table]
    return tables[-1] if tables else []


def _fence_numbers(raw: Sequence[str]) -> Iterator[int | None]:
    """Yield for each line the number of the fenced block it belongs to (its fences included), or None."""
    opened, number = "", 0
    for part in raw:
        fence = _FENCE.match(part)
        if opened:
            yield number
            if fence and fence[1].startswith(opened) and not fence[2].strip():
                opened = ""
        elif fence and not (fence[1][0] == "`" and "`" in fence[2]):
            opened, number = fence[1], number + 1
            yield number
        else:
            yield None


def _last_of_block(raw: Sequence[str], fences: Sequence[int | None], number: int) -> int:
    """Return the last line of the fence, table or underlined heading a line is in; else its own number."""
    last, fence = number, fences[number]
    if fence is not None:
        while last + 1 < len(raw) and fences[last + 1] == fence:
            last += 1
    elif _TABLE.match(raw[number]):
        while last + 1 < len(raw) and fences[last + 1] is None and _TABLE.match(raw[last + 1]):
            last += 1
    elif raw[number].strip() and number + 1 < len(raw) and _UNDERLINE.match(raw[number + 1]):
        last += 1
    return last
