"""A load in two columns, as the document's opening diagram has them, filled with what was recorded.

Rows are in the order of time. Left is what the loader did, right what the kernel did; what the program does
before it comes to the module (its libraries, its language) is counted, not shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pyinsmod.text import printable
from tracer.compare import Run
from tracer.describe import sentence
from tracer.escapes import unescaped
from tracer.report.kernel_calls import Call, Folded, calls_of, depth_at, folded
from tracer.report.load_story import MODULE_CALLS, Story, story_of
from tracer.selectors import Record

EXPERIMENT = "load"

Side: TypeAlias = Literal["user", "kernel"]
Kind: TypeAlias = Literal[
    "exec",
    "file",
    "enter",
    "return",
    "stderr",
    "exit",
    "left-out",
    "function",
    "tracepoint",
    "log",
    "uevent",
    "state",
]

_STEP_OF_CALL = {
    "open": 2,
    "openat": 2,
    "openat2": 2,
    "read": 3,
    "readv": 3,
    "pread64": 3,
    "preadv": 3,
    "mmap": 3,
    "mmap2": 3,
}
_STEP_OF_EVENT = {"initcall_start": 12, "initcall_finish": 13, "module_free": 13}
_KERNEL_KINDS: dict[str, Kind] = {"kernel_event": "tracepoint", "log": "log", "uevent": "uevent"}


@dataclass(frozen=True)
class Row:
    """One line of the two columns.

    Attributes:
        time: in milliseconds since the loader's execve began; None when it has no one moment; negative before.
        side: the column.
        kind: what it is, for its looks.
        text: in words, safe to show.
        step: the documented step it belongs to, or None.
        depth: of a kernel function, for its indentation.
        count: how many calls are folded into it.
        duration: in milliseconds, or None.
        detail: more of the same, or empty.
    """

    time: float | None
    side: Side
    kind: Kind
    text: str
    step: int | None = None
    depth: int = 0
    count: int = 1
    duration: float | None = None
    detail: str = ""


@dataclass(frozen=True)
class Timeline:
    """The rows of one run, or why there are none."""

    run: str
    rows: tuple[Row, ...]
    problem: str | None = None


_Moment: TypeAlias = "tuple[int, Row | Call]"


def timeline(run: Run, experiment: str = EXPERIMENT) -> Timeline:
    """Return what happened in a run's experiment."""
    observed = run.observations.get(experiment)
    if observed is None:
        return Timeline(run.name, (), f"the experiment “{printable(experiment)}” was not made")
    story = story_of(observed.records)
    problem = observed.inapplicable or observed.broke
    if story is None:
        return Timeline(run.name, (), printable(problem or "the trace shows no process"))
    return Timeline(run.name, tuple(_rows(story)), None if problem is None else printable(problem))


def _rows(story: Story) -> Iterator[Row]:
    moments = [*_user(story), *_functions(story), *_kernel(story), *_states(story)]
    waiting: list[Call] = []
    for _, what in sorted(moments, key=lambda moment: moment[0]):
        if isinstance(what, Call):
            waiting.append(what)
            continue
        # What happened in between ends a fold: the order of the rows is the order of events.
        yield from _function_rows(story, waiting)
        waiting.clear()
        yield what
    yield from _function_rows(story, waiting)
    if story.later:
        yield Row(None, "user", "left-out", f"… {story.later} records of what was run afterwards left out")


def _user(story: Story) -> Iterator[_Moment]:
    left_out: list[Record] = []
    mapped: set[str] = set()
    reached = False
    for record in story.own("syscall", "exec", "exit"):
        rows = list(_user_rows(story, record, mapped))
        if not rows:
            left_out += [record] if record["type"] == "syscall" else []
            continue
        yield from _left_out(story, left_out, reached)
        left_out.clear()
        yield from rows
        reached = reached or rows[0][1].kind in {"file", "enter"}
    yield from _left_out(story, left_out, reached)


def _user_rows(story: Story, record: Record, mapped: set[str]) -> Iterator[tuple[int, Row]]:
    """Yield the rows a record of the loader makes; none when it is not about the module."""
    start, name = int(record["t"]), str(record.get("name"))
    if record["type"] == "exit":
        yield start, _row(story, record, "user", "exit", step=14)
    elif start == story.start:
        yield start, _row(story, record, "user", "exec", step=1, detail=_executed(story))
    elif record["type"] == "exec":  # its execve is shown
        return
    elif name in MODULE_CALLS:
        yield from _module_call(story, record)
    elif _writes_stderr(record):
        yield start, _row(story, record, "user", "stderr", detail=_written(record))
    elif story.touches_module(record):
        if name.startswith("mmap") and isinstance(record.get("return"), int):
            mapped.add(hex(record["return"] & 0xFFFFFFFFFFFFFFFF))
        yield start, _row(story, record, "user", "file", step=_STEP_OF_CALL.get(name))
    elif name == "munmap" and record["args"].get("addr") in mapped:
        yield start, _row(story, record, "user", "file")


def _module_call(story: Story, record: Record) -> Iterator[tuple[int, Row]]:
    start, duration = int(record["t"]), record.get("duration")
    asked, _, answer = printable(sentence(record)).rpartition(" = ")
    yield start, Row(_since(story, start), "user", "enter", asked, step=4)
    if duration is None:
        yield start, Row(_since(story, start), "user", "return", f"{record['name']} never returned", step=14)
        return
    text = f"{record['name']} returned {answer}"
    yield (
        start + duration,
        Row(_since(story, start + duration), "user", "return", text, 14, duration=_ms(duration)),
    )


def _left_out(story: Story, records: list[Record], reached: bool) -> Iterator[_Moment]:
    if records:
        count = f"{len(records)} {'other ' if reached else ''}call{'s' * (len(records) != 1)}"
        text = f"… {count}{'' if reached else ' of the start-up of the program'} left out"
        start = int(records[0]["t"])
        yield start, Row(_since(story, start), "user", "left-out", text)


def _functions(story: Story) -> Iterator[_Moment]:
    for call in calls_of(story.own("kernel_call")):
        yield call.start, call


def _kernel(story: Story) -> Iterator[_Moment]:
    calls = calls_of(story.own("kernel_call"))
    for record in story.own("kernel_event", "log", "uevent"):
        start, kind = int(record["t"]), _KERNEL_KINDS[record["type"]]
        depth = depth_at(calls, start) if kind == "tracepoint" else 0
        yield (
            start,
            _row(story, record, "kernel", kind, step=_STEP_OF_EVENT.get(str(record.get("name"))), depth=depth),
        )


def _states(story: Story) -> Iterator[_Moment]:
    """Yield what /proc and /sys said, where it differs from what they said before."""
    last: dict[object, object] = {}
    for record in story.within("state"):
        start, what = int(record["t"]), record.get("what")
        if what == "relocations":
            yield start, _row(story, record, "kernel", "state", step=10)
        if what != "module":
            continue
        module, listed = record.get("module"), record.get("proc_modules")
        shown = (listed.get("state") if isinstance(listed, dict) else None, bool(record.get("sys_module")))
        if last.get(module) != shown:
            step = 11 if module in last and any(shown) else None
            yield start, _row(story, record, "kernel", "state", step=step)
        last[module] = shown


def _function_rows(story: Story, calls: Iterable[Call]) -> Iterator[Row]:
    for one in folded(list(calls)):
        time = None if one.start is None else _since(story, one.start)
        duration = None if one.duration is None else _ms(one.duration)
        yield Row(time, "kernel", "function", _function_text(one), one.step, one.depth, one.count, duration)


def _function_text(one: Folded) -> str:
    result = "" if one.result is None else f" = {one.result}"
    return f"{printable(one.name)}(){result}" if one.count == 1 else printable(one.name)


def _row(
    story: Story,
    record: Record,
    side: Side,
    kind: Kind,
    *,
    step: int | None = None,
    depth: int = 0,
    detail: str = "",
) -> Row:
    text = printable(sentence(record)).removeprefix(f"{kind} ")  # the kind is shown beside it
    return Row(_since(story, int(record["t"])), side, kind, text, step, depth, detail=printable(detail))


def _executed(story: Story) -> str:
    """Return which file really ran, when the name that was given led to another (a link, a script)."""
    given = [record for record in story.own("exec") if record.get("path") != record.get("filename")]
    return f"which is {given[0]['path']}" if given and given[0].get("filename") else ""


def _writes_stderr(record: Record) -> bool:
    descriptor = record["args"].get("fd")
    number = descriptor.get("value") if isinstance(descriptor, dict) else descriptor
    return str(record.get("name")).startswith(("write", "pwrite")) and number == 2


def _written(record: Record) -> str:
    """Return what was written, whole; the call itself is shown with its argument cut as strace does."""
    buffer = record["args"].get("buf")
    pieces = [buffer] if isinstance(buffer, dict) else record["args"].get("iov") or []
    data = b"".join(unescaped(str(piece.get("data", ""))) for piece in pieces if isinstance(piece, dict))
    return printable(data.rstrip(b"\n"))


def _since(story: Story, moment: int) -> float:
    return _ms(moment - story.start)


def _ms(nanoseconds: int) -> float:
    return nanoseconds / 1_000_000
