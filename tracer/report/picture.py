"""The two columns of one load drawn to time: where each thing stands on the paper. The template only draws it.

Time runs down, in proportion. Where nothing about the module happened for long, the axis is broken and the
break says for how long: a Python's start-up would otherwise press all the rest into one line.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from tracer.report.timeline import Row, Side, Timeline

WIDTH = 760.0
USER_X = 296.0
KERNEL_X = 392.0
DEEPER = 9.0
LABEL_HEIGHT = 14.0
TOP = 34.0
LEFT_LETTERS = 36
RIGHT_LETTERS = 37

_LEAST_HEIGHT = 240.0
_BREAK_HEIGHT = 26.0
_BREAKS = 8
_LONG = 0.25  # a gap this much of all that is drawn is broken
_DEEPEST = 6  # bars further in are drawn below each other
_TICKS = 6
_ROUND = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class Mark(NamedTuple):
    """Something that happened: where its line or bar stands, where its label does, and what it says."""

    y: float
    height: float
    x: float
    label_y: float
    side: Side
    kind: str
    text: str
    whole: str
    step: int | None


class Crossing(NamedTuple):
    """The border crossed, by a call or by its return."""

    y: float
    inwards: bool


class Break(NamedTuple):
    """A part of the axis that is left out: its two ends, and how many milliseconds it stands for."""

    top: float
    bottom: float
    milliseconds: float


class Tick(NamedTuple):
    """A moment named beside the axis."""

    y: float
    milliseconds: float


@dataclass(frozen=True)
class Picture:
    """A load, drawn; lengths are in units of the view box, whose width is `WIDTH`."""

    height: float
    marks: tuple[Mark, ...]
    crossings: tuple[Crossing, ...]
    breaks: tuple[Break, ...]
    ticks: tuple[Tick, ...]
    user: tuple[tuple[float, float], ...]


class _Scale:
    """Milliseconds → units, linear but for the breaks."""

    def __init__(self, moments: Sequence[float], height: float) -> None:
        gaps = [(a, b) for a, b in pairwise(sorted(set(moments))) if b > a]
        self.broken = sorted(_long_gaps(gaps))
        drawn = sum(b - a for a, b in gaps) - sum(b - a for a, b in self.broken)
        self.unit = (height - _BREAK_HEIGHT * len(self.broken)) / drawn if drawn > 0 else 0.0
        self.start = min(moments)

    def y(self, moment: float) -> float:
        left_out, breaks = 0.0, 0.0
        for a, b in self.broken:
            if moment >= b:
                left_out, breaks = left_out + (b - a), breaks + _BREAK_HEIGHT
            elif moment > a:  # inside: in proportion to the break
                share = (moment - a) / (b - a)
                left_out, breaks = left_out + (moment - a), breaks + _BREAK_HEIGHT * share
        return TOP + (moment - self.start - left_out) * self.unit + breaks


def picture(line: Timeline) -> Picture | None:
    """Return the drawing of a run; None when there is nothing to draw."""
    rows = list(_shown(line))
    moments = [moment for row in rows for moment in _moments(row)]
    if len(set(moments)) < 2:
        return None
    by_side = [sum(row.side == side for row in rows) for side in ("user", "kernel")]
    height = max(_LEAST_HEIGHT, LABEL_HEIGHT * (max(by_side) + 1))
    scale = _Scale(moments, height)
    marks = [*_marks(rows, "user", scale, height), *_marks(rows, "kernel", scale, height)]
    return Picture(
        TOP + height + LABEL_HEIGHT,
        tuple(marks),
        tuple(_crossings(rows, scale)),
        tuple(Break(scale.y(a), scale.y(b), b - a) for a, b in scale.broken),
        tuple(_ticks(moments, scale)),
        tuple(_in_user_space(rows, scale)),
    )


def _shown(line: Timeline) -> Iterator[Row]:
    """Yield what has a moment while the loader ran."""
    ends = [row.time for row in line.rows if row.kind == "exit" and row.time is not None]
    for row in line.rows:
        if row.time is not None and 0 <= row.time <= (ends[0] if ends else row.time) and row.kind != "left-out":
            yield row


def _moments(row: Row) -> Iterator[float]:
    start = row.time or 0.0
    yield start
    if row.kind == "function" and row.duration is not None:
        yield start + row.duration


def _long_gaps(gaps: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    left = sorted(gaps, key=lambda gap: gap[0] - gap[1])
    drawn = sum(b - a for a, b in left)
    for a, b in left[:_BREAKS]:
        if b - a < _LONG * drawn or len(left) < _BREAKS:
            return
        drawn -= b - a
        yield a, b


def _marks(rows: Sequence[Row], side: Side, scale: _Scale, height: float) -> Iterator[Mark]:
    shown = [row for row in rows if row.side == side]
    wished = [scale.y(row.time or 0.0) for row in shown]
    letters = LEFT_LETTERS if side == "user" else RIGHT_LETTERS
    for row, y, label_y in zip(shown, wished, _apart(wished, TOP + height), strict=True):
        length = 0.0
        if row.kind == "function" and row.duration is not None:
            length = scale.y((row.time or 0.0) + row.duration) - y
        x = USER_X if side == "user" else KERNEL_X + DEEPER * min(row.depth, _DEEPEST)
        whole = f"{row.text} × {row.count}" if row.count > 1 else row.text
        text = whole if len(whole) <= letters else f"{whole[: letters - 1]}…"
        yield Mark(y, max(length, 1.5), x, label_y, side, row.kind, text, whole, row.step)


def _apart(wished: Sequence[float], bottom: float) -> list[float]:
    """Return places as near to the wished ones as labels can stand without covering each other."""
    placed: list[float] = []
    for y in wished:
        placed.append(max(y, placed[-1] + LABEL_HEIGHT) if placed else y)
    limit = bottom
    for number in range(len(placed) - 1, -1, -1):
        placed[number] = min(placed[number], limit)
        limit = placed[number] - LABEL_HEIGHT
    return placed


def _crossings(rows: Sequence[Row], scale: _Scale) -> Iterator[Crossing]:
    for row in rows:
        if row.kind in {"enter", "return"}:
            yield Crossing(scale.y(row.time or 0.0), inwards=row.kind == "enter")


def _in_user_space(rows: Sequence[Row], scale: _Scale) -> Iterator[tuple[float, float]]:
    """Yield from where to where the loader ran in user space: all the time but during the module call."""
    own = [row for row in rows if row.side == "user"]
    if not own:
        return
    since: float | None = scale.y(own[0].time or 0.0)
    for row in own:
        y = scale.y(row.time or 0.0)
        if row.kind == "enter" and since is not None:
            yield since, y
            since = None
        elif row.kind == "return":
            since = y
    if since is not None:
        yield since, scale.y(own[-1].time or 0.0)


def _ticks(moments: Sequence[float], scale: _Scale) -> Iterator[Tick]:
    """Yield round moments, where the axis is whole."""
    first, last = min(moments), max(moments)
    drawn = last - first - sum(b - a for a, b in scale.broken)
    step = _ROUND[min(bisect_right(_ROUND, drawn / _TICKS), len(_ROUND) - 1)]
    whole = [first, *(edge for gap in scale.broken for edge in gap), last]
    for start, end in zip(whole[::2], whole[1::2], strict=True):
        number = -(-start // step)
        while number * step <= end:
            yield Tick(scale.y(number * step), number * step)
            number += 1
