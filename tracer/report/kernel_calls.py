"""The kernel's functions of a load as a reader wants them: nested, repeats folded, with the documented step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from itertools import groupby

from tracer.kernel_side.functions import FUNCTIONS
from tracer.selectors import Record

#: A function called by one of these steps' functions serves that step, whatever it does elsewhere:
#: `find_symbol` under `check_modstruct_version` looks for a checksum, it resolves nothing.
_WHOLE_STEPS = range(6, 12)


@dataclass(frozen=True)
class Call:
    """One call of a kernel function; times in nanoseconds. `step` is None inside another step's function."""

    name: str
    start: int
    duration: int | None
    depth: int
    step: int | None
    result: int | None = None


@dataclass(frozen=True)
class Folded:
    """Consecutive calls of one function: how many, since when, how long together.

    `start` is None within folded calls: they have no one moment.
    """

    name: str
    start: int | None
    duration: int | None
    depth: int
    step: int | None
    count: int
    result: int | None


@dataclass
class _Node:
    call: Call
    children: list[_Node] = field(default_factory=list)


@cache
def step_of(function: str) -> int | None:
    """Return the documented step a kernel function belongs to, or None."""
    for step, patterns in FUNCTIONS.items():
        if any(fnmatchcase(function, pattern) for pattern in patterns):
            return step
    return None


def calls_of(records: Iterable[Record]) -> list[Call]:
    """Return `kernel_call` records, in the order of their start, as calls."""
    calls: list[Call] = []
    inside: list[tuple[int, int | None]] = []  # depth and step of the functions that are running
    for record in records:
        depth, name = int(record.get("depth") or 0), str(record.get("name"))
        while inside and inside[-1][0] >= depth:
            inside.pop()
        step, around = step_of(name), inside[-1][1] if inside else None
        whole = around in _WHOLE_STEPS
        inside.append((depth, around if whole else step))
        calls.append(
            Call(
                name,
                int(record["t"]),
                record.get("duration"),
                depth,
                None if whole else step,
                record.get("return"),
            )
        )
    return calls


def folded(calls: Sequence[Call]) -> Iterator[Folded]:
    """Yield calls with consecutive repeats as one, each followed by what it called, folded alike."""
    return _folded(_forest(calls), timed=True)


def depth_at(calls: Sequence[Call], moment: int) -> int:
    """Return how deep something stands that happened at a moment: one below the innermost running call."""
    running = (call.depth + 1 for call in calls if call.start <= moment <= call.start + (call.duration or 0))
    return max(running, default=0)


def _forest(calls: Sequence[Call]) -> list[_Node]:
    roots: list[_Node] = []
    stack: list[_Node] = []
    for call in calls:
        node = _Node(call)
        while stack and stack[-1].call.depth >= call.depth:
            stack.pop()
        (stack[-1].children if stack else roots).append(node)
        stack.append(node)
    return roots


def _folded(nodes: Sequence[_Node], *, timed: bool) -> Iterator[Folded]:
    for name, run in groupby(nodes, key=lambda node: node.call.name):
        group = list(run)
        first = group[0].call
        durations = [node.call.duration for node in group if node.call.duration is not None]
        children = [child for node in group for child in node.children]
        single = len(group) == 1
        yield Folded(
            name,
            first.start if timed else None,
            sum(durations) if durations else None,
            first.depth,
            first.step,
            len(group),
            first.result if single else None,
        )
        # Below folded calls the order is lost anyway: one line a function says more than an alternation.
        yield from _folded(children if single else _gathered(children), timed=timed and single)


def _gathered(nodes: Sequence[_Node]) -> list[_Node]:
    by_name: dict[str, list[_Node]] = {}
    for node in nodes:
        by_name.setdefault(node.call.name, []).append(node)
    return [node for group in by_name.values() for node in group]
