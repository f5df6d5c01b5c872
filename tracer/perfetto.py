"""Records as Chrome's trace-event JSON, which ui.perfetto.dev and chrome://tracing open.

Format: "Trace Event Format", its array form, one event a line: the end bracket may be missing, so a trace that
was cut off still opens. Nothing but names and the running calls of each track is kept in memory.

Tasks that share a thread group are shown as one process, where /proc still tells or the trace has their clone.
Each task has two tracks: its system calls, and below them the kernel's functions. What belongs to no task (log,
uevents, states) stands under a process of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import IO, Any

from tracer.call_sets import MODULE_CALLS
from tracer.records import Record, clean

# Numbers no task has: Linux ends at 2^22 (PID_MAX_LIMIT).
NO_TASK = 1 << 22
KERNEL_TRACK = 1 << 23
_NEVER = 1 << 63
COMMON_TRACKS = {"log": "kernel log", "uevent": "uevents", "state": "states"}

Event = dict[str, Any]


class PerfettoWriter:
    """Writes trace events to a text stream; `write` can be the recorder's sink, `close` ends the array."""

    def __init__(self, stream: IO[str], group_of: Callable[[int], int | None] = lambda _: None) -> None:
        """`group_of` tells the thread group of a task that may still live, or None (/proc/PID/status, Tgid)."""
        self._stream = stream
        self._group_of = group_of
        self._started = False
        self._encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
        self._tracks: dict[int, str] = {}
        self._groups: dict[int, int] = {}
        #: Task → its place among all, in the order in which they were seen.
        self._places: dict[int, int] = {}
        #: Track → beginning and end of the last call at each depth, the outermost first.
        self._calls: dict[int, list[tuple[int, int]]] = {}

    def write(self, record: Record) -> None:
        """Write what a viewer shows of one record."""
        make = _EVENTS.get(record["type"])
        for event in () if make is None else make(self, record):
            self._put(event)

    def close(self) -> None:
        """Write the end of the array; the stream stays open."""
        self._stream.write("\n]\n" if self._started else "[]\n")

    def _put(self, event: Event) -> None:
        line = self._encode(event)
        if "\\udc" in line:
            line = self._encode(clean(event))
        self._stream.write((",\n" if self._started else "[\n") + line)
        self._started = True

    def _header(self, record: Record) -> Iterator[Event]:
        yield _named("process_name", NO_TASK, NO_TASK, "kernel: log, uevents, states")
        yield _named("process_sort_index", NO_TASK, NO_TASK, 1 << 20, key="sort_index")
        for number, name in enumerate(COMMON_TRACKS.values(), start=1):
            yield from self._track(NO_TASK, NO_TASK + number, name)
        yield {
            # On a track with a name: what is said of all tracks at once, Perfetto shows on one without.
            "name": "trace begins", "cat": "trace", "ph": "i", "s": "t", "ts": _microseconds(record["start"]),
            "pid": NO_TASK, "tid": NO_TASK + len(COMMON_TRACKS), "args": _details(record),
        }  # fmt: skip

    def _syscall(self, record: Record) -> Iterator[Event]:
        yield from self._announced(record["pid"])
        yield self._complete(record, record["pid"], "syscall", _call_title(record))
        if record["name"] in {"clone", "clone3"} and "CLONE_THREAD" in str(record["args"]) and not record["errno"]:
            self._groups.setdefault(record["return"], self._group(record["pid"]))

    def _kernel_call(self, record: Record) -> Iterator[Event]:
        yield from self._announced(record["pid"], in_kernel=True)
        yield self._complete(record, KERNEL_TRACK + record["pid"], "kernel", record["name"])

    def _kernel_event(self, record: Record) -> Iterator[Event]:
        yield from self._announced(record["pid"], in_kernel=True)
        yield self._instant(record, self._group(record["pid"]), KERNEL_TRACK + record["pid"], record["name"])

    def _exec(self, record: Record) -> Iterator[Event]:
        words = [str(word) for word in record["argv"]] or [str(record["path"])]
        self._tracks[record["pid"]] = words[0].rpartition("/")[2]
        yield _named("process_name", self._group(record["pid"]), record["pid"], " ".join(words)[:200])
        yield from self._track(self._group(record["pid"]), record["pid"], self._tracks[record["pid"]])
        yield self._instant(record, self._group(record["pid"]), record["pid"], f"exec {record['path']}")

    def _of_task(self, record: Record) -> Iterator[Event]:
        how = {
            "stopped": f"stopped by {record.get('signal')}",
            "superseded": f"superseded by {record.get('by')}",
        }.get(record["type"]) or record.get("signal", f"exit {record.get('status')}")
        yield from self._announced(record["pid"])
        yield self._instant(record, self._group(record["pid"]), record["pid"], str(how))

    def _of_kernel(self, record: Record) -> Iterator[Event]:
        track = NO_TASK + 1 + list(COMMON_TRACKS).index(record["type"])
        yield self._instant(record, NO_TASK, track, _TITLES[record["type"]](record))
        loaded = record.get("proc_modules") or {}
        if record["type"] == "state" and record.get("what") == "module" and record.get("moment") != "during":
            yield {
                # Viewers show name and key, one behind the other.
                "name": record["module"], "cat": "state", "ph": "C", "pid": NO_TASK,
                "ts": _microseconds(record["t"]), "args": {"refcount": loaded.get("refcount") or 0},
            }  # fmt: skip

    def _announced(self, pid: int, *, in_kernel: bool = False) -> Iterator[Event]:
        """Name a task's track when it is first used."""
        if pid not in self._tracks:
            self._tracks[pid] = f"task {pid}"
            yield from self._track(self._group(pid), pid, self._tracks[pid])
        name = f"{self._tracks[pid]} in the kernel"
        if in_kernel and self._tracks.get(KERNEL_TRACK + pid) != name:  # not yet named, or by the program before
            self._tracks[KERNEL_TRACK + pid] = name
            yield from self._track(self._group(pid), KERNEL_TRACK + pid, name)

    def _track(self, group: int, track: int, name: str) -> Iterator[Event]:
        """Name a track, and say where it stands: a task's two below each other, viewers would sort them by number."""
        yield _named("thread_name", group, track, name)
        task, below = (track - KERNEL_TRACK, 1) if track >= KERNEL_TRACK else (track, 0)
        place = 2 * self._places.setdefault(task, len(self._places) + 1) + below
        yield _named("thread_sort_index", group, track, place, key="sort_index")

    def _group(self, pid: int) -> int:
        if pid not in self._groups:
            self._groups[pid] = self._group_of(pid) or pid
        return self._groups[pid]

    def _complete(self, record: Record, track: int, category: str, name: str) -> Event:
        start, end = self._nested(track, record)
        return {
            "name": name, "cat": category, "ph": "X", "ts": _microseconds(start), "dur": _microseconds(end - start),
            "pid": self._group(record["pid"]), "tid": track, "args": _details(record),
        }  # fmt: skip

    def _nested(self, track: int, record: Record) -> tuple[int, int]:
        """Fit a call behind the one before and into the one around it.

        The kernel's text rounds beginnings to microseconds and durations not, so that neighbours can seem to overlap.
        """
        calls = self._calls.setdefault(track, [])
        depth = min(record.get("depth", 0), len(calls))
        earliest, latest = calls[depth - 1] if depth else (0, _NEVER)
        if depth < len(calls):
            earliest = max(earliest, calls[depth][1])
        start = max(record["t"], earliest)
        end = max(start, min(record["t"] + (record.get("duration") or 0), latest))
        calls[depth:] = [(start, end if record.get("duration") is not None else latest)]
        return start, end

    def _instant(self, record: Record, pid: int, track: int, name: str) -> Event:
        return {
            "name": name, "cat": record["type"], "ph": "i", "s": "t", "ts": _microseconds(record["t"]),
            "pid": pid, "tid": track, "args": _details(record),
        }  # fmt: skip


def _named(kind: str, pid: int, track: int, name: str | int, key: str = "name") -> Event:
    return {"name": kind, "ph": "M", "pid": pid, "tid": track, "args": {key: name}}


def _call_title(record: Record) -> str:
    """Return a call's name, which module it is about, as modprobe makes many of them, and its error."""
    title = str(record["name"])
    if title in MODULE_CALLS:
        file, name = record["args"].get("fd"), record["args"].get("name")
        about = (file.get("path") or "").rpartition("/")[2] if isinstance(file, dict) else name
        title += f" {about}" if about else ""
    return f"{title} = {record['errno']}" if record.get("errno") else title


def _state_title(record: Record) -> str:
    shown = record.get("proc_modules") or {}
    subject = f"{record['module']}: " if "module" in record else ""
    return f"{subject}{shown.get('state') or record.get('what')} ({record.get('moment')})"


_TITLES: dict[str, Callable[[Record], str]] = {
    "log": lambda record: str(record["text"]),
    "uevent": lambda record: f"{record['action']} {record['devpath']}",
    "state": _state_title,
}


def _details(record: Record) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in {"t", "type", "pid", "name", "duration"}}


def _microseconds(nanoseconds: int) -> float:
    return nanoseconds / 1000


_EVENTS: dict[str, Callable[[PerfettoWriter, Record], Iterator[Event]]] = {
    "header": PerfettoWriter._header,  # noqa: SLF001 - a table of this class's own methods
    "syscall": PerfettoWriter._syscall,  # noqa: SLF001
    "kernel_call": PerfettoWriter._kernel_call,  # noqa: SLF001
    "kernel_event": PerfettoWriter._kernel_event,  # noqa: SLF001
    "exec": PerfettoWriter._exec,  # noqa: SLF001
    "exit": PerfettoWriter._of_task,  # noqa: SLF001
    "signal": PerfettoWriter._of_task,  # noqa: SLF001
    "stopped": PerfettoWriter._of_task,  # noqa: SLF001
    "superseded": PerfettoWriter._of_task,  # noqa: SLF001
    "log": PerfettoWriter._of_kernel,  # noqa: SLF001
    "uevent": PerfettoWriter._of_kernel,  # noqa: SLF001
    "state": PerfettoWriter._of_kernel,  # noqa: SLF001
}
