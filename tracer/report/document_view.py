"""The document as the page shows it: lines, what kind each is, and which of its words a claim quotes.

Markdown is followed as far as reading needs it: headings, code, lists, tables, code spans. Whatever else a document
has in it is shown as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

from tracer.claims.quotes import quoted_span
from tracer.compare import ClaimVerdict
from tracer.document_parts import Line, lines_of, step_headings
from tracer.report.model import Report

Kind: TypeAlias = Literal["heading", "code", "item", "table", "head", "tree", "text", "rule", "blank"]

_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*\s*$")
_ITEM = re.compile(r"(\s*)[-*+]\s+(?=\S)")
_TABLE = re.compile(r"\s*\|")
_TABLE_RULE = re.compile(r"\s*\|?[\s:|-]*-[\s:|-]*\|[\s:|-]*$")
_RULE = re.compile(r" {0,3}([-*_])(?:\s*\1){2,}\s*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_TREE = re.compile(r"[─-╿]")
_CODE = re.compile(r"(`+)(?!`)(.+?)(?<!`)\1(?!`)")


class Piece(NamedTuple):
    """Some words of a line, in code or not, and the claims that quote them, the most particular first."""

    text: str
    code: bool
    claims: tuple[ClaimVerdict, ...]


@dataclass(frozen=True)
class ShownLine:
    """A line of the document.

    Attributes:
        kind: what it is.
        level: of a heading, 1 to 6; how far a list's item is indented; else 0.
        cells: its text in pieces; several of them in a table's row.
        claims: those whose quote ends here.
        step: the step this line is the heading of, or None.
    """

    kind: Kind
    level: int
    cells: tuple[tuple[Piece, ...], ...]
    claims: tuple[ClaimVerdict, ...]
    step: int | None


class _Quote(NamedTuple):
    start: int
    end: int
    verdict: ClaimVerdict


def shown_lines(report: Report) -> list[ShownLine]:
    """Return the document's lines; fences and rules of tables are not among them, they are what the kinds show."""
    quotes = list(_quotes(report))
    steps = {heading.start: heading.step for heading in step_headings(report.text)}
    lines = lines_of(report.text)
    shown = []
    for number, line in enumerate(lines):
        here = tuple(quote.verdict for quote in quotes if line.start < quote.end <= line.start + len(line.text))
        if (_is_fence(lines, number) or _is_table_rule(line)) and not here:
            continue
        kind, level, start, end = _kind(lines, number)
        cells = tuple(
            tuple(_pieces(report.text, line.start + a, line.start + b, quotes, verbatim=line.fenced))
            for a, b in _cells(kind, line.text, start, end)
        )
        shown.append(ShownLine(kind, level, cells, here, steps.get(line.start)))
    return shown


def unplaced(report: Report) -> list[ClaimVerdict]:
    """Return the claims whose quote stands nowhere in the document."""
    return [verdict for verdict in report.verdicts if quoted_span(verdict.claim, report.text) is None]


def _quotes(report: Report) -> Iterator[_Quote]:
    for verdict in report.verdicts:
        span = quoted_span(verdict.claim, report.text)
        if span:
            yield _Quote(*span, verdict)


def _is_fence(lines: Sequence[Line], number: int) -> bool:
    """Tell whether a line opens or closes a block of code."""
    line = lines[number]
    if not line.fenced or not _FENCE.match(line.text):
        return False
    opens = number == 0 or not lines[number - 1].fenced or lines[number - 1].last_of_block < number
    return opens or line.last_of_block == number


def _is_table_rule(line: Line) -> bool:
    return not line.fenced and bool(_TABLE_RULE.match(line.text))


def _kind(lines: Sequence[Line], number: int) -> tuple[Kind, int, int, int]:
    """Return what a line is, its level, and from where to where its text is to be shown."""
    line = lines[number]
    end = len(line.text.rstrip())
    if line.fenced:
        return "code", 0, 0, end
    heading = _HEADING.match(line.text)
    if heading:
        return "heading", len(heading[1]), heading.start(2), heading.end(2)
    if not end:
        return "blank", 0, 0, 0
    if _TABLE.match(line.text):
        is_head = number + 1 < len(lines) and _is_table_rule(lines[number + 1])
        return "head" if is_head else "table", 0, 0, end
    if _RULE.match(line.text):
        return "rule", 0, 0, 0
    item = _ITEM.match(line.text)
    if item:
        return "item", len(item[1].expandtabs(4)) // 2, item.end(), end
    return ("tree" if _TREE.search(line.text) else "text"), 0, 0, end


def _cells(kind: Kind, text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Return from where to where each cell of a table's row goes, without its blanks; the whole of another line."""
    if kind not in {"table", "head"}:
        return [(start, end)]
    borders = [found.start() for found in re.finditer(r"(?<!\\)\|", text[:end])]
    if borders[-1] < end - 1:
        borders.append(end)
    cells = []
    for a, b in pairwise(borders):
        inside = text[a + 1 : b]
        left = a + 1 + len(inside) - len(inside.lstrip())
        cells.append((left, max(left, a + 1 + len(inside.rstrip()))))
    return cells or [(start, end)]


def _pieces(text: str, start: int, end: int, quotes: Sequence[_Quote], *, verbatim: bool) -> Iterator[Piece]:
    """Yield the words from `start` to `end`, cut where a quote begins or ends and where code does."""
    for left, right, code in [(start, end, True)] if verbatim else _spans(text, start, end):
        cuts = {edge for quote in quotes for edge in quote[:2] if left < edge < right}
        edges = [left, *sorted(cuts), right]
        for a, b in pairwise(edges):
            over = sorted((q for q in quotes if q.start <= a and b <= q.end), key=lambda q: q.end - q.start)
            yield Piece(text[a:b], code, tuple(quote.verdict for quote in over))


def _spans(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Yield (from, to, is code) for a line's text; the backticks themselves are left out."""
    at = start
    for span in _CODE.finditer(text, start, end):
        if span.start() > at:
            yield at, span.start(), False
        yield span.start(2), span.end(2), True
        at = span.end()
    if at < end:
        yield at, end, False
