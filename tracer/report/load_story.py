"""Out of a whole trace, what belongs to the loading of the module: which process, which file, from when to when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tracer.selectors import Record

MODULE_CALLS = frozenset(("finit_module", "init_module"))
_SUFFIXES = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")
_FIRST_PROCESS_KINDS = frozenset(("syscall", "exec", "exit"))


@dataclass(frozen=True)
class Story:
    """The records of one load.

    Attributes:
        pid: the loader's process.
        start: when its execve began, in nanoseconds of the trace's clock.
        end: when something else was started after its exit, or None.
        module_names: file names of the module.
        records: all of the trace, in the order of time.
    """

    pid: int
    start: int
    end: int | None
    module_names: frozenset[str]
    records: tuple[Record, ...]

    def own(self, *types: str) -> Iterator[Record]:
        """Yield the loader's own records since its start; those without a process count as its own."""
        for record in self.within(*types):
            if record.get("pid", self.pid) == self.pid and record["t"] >= self.start:
                yield record

    def within(self, *types: str) -> Iterator[Record]:
        """Yield the records up to the end of the story."""
        for record in self.records:
            if record.get("type") in types and (self.end is None or record["t"] < self.end):
                yield record

    @property
    def later(self) -> int:
        """How many records came after the end."""
        return 0 if self.end is None else sum(record["t"] >= self.end for record in self.records)

    def touches_module(self, record: Record) -> bool:
        """Tell whether a system call is about the module's file."""
        return any(PurePosixPath(path).name in self.module_names for path in _paths(record))


def story_of(records: Sequence[Record]) -> Story | None:
    """Return the load that a trace shows; None when no process is in it."""
    timed = tuple(sorted((record for record in records if "t" in record), key=lambda record: int(record["t"])))
    names = _module_names(timed)
    pid, moment = _loader(timed, names)
    if pid is None:
        return None
    start = _start(timed, pid, moment)
    return Story(pid, start, _end(timed, pid, start), names, timed)


def _loader(records: Sequence[Record], names: frozenset[str]) -> tuple[int | None, int]:
    """Return who loads and when it does: asks the kernel, else opens the file, else is simply the first."""
    calls = [record for record in records if record.get("type") == "syscall"]
    asking = [call for call in calls if call.get("name") in MODULE_CALLS]
    opening = [call for call in calls if any(PurePosixPath(path).name in names for path in _paths(call))]
    anything = [record for record in records if record.get("type") in _FIRST_PROCESS_KINDS]
    for candidates in (asking, opening, anything):
        if candidates:
            return int(candidates[0]["pid"]), int(candidates[0]["t"])
    return None, 0


def _start(records: Sequence[Record], pid: int, moment: int) -> int:
    own = [record for record in records if record.get("pid") == pid and record["t"] <= moment]
    for is_start in (_is_execve, _is_exec):
        found = [int(record["t"]) for record in own if is_start(record)]
        if found:
            return found[-1]
    return int(own[0]["t"])


def _end(records: Sequence[Record], pid: int, start: int) -> int | None:
    exits = [r["t"] for r in records if r.get("type") == "exit" and r.get("pid") == pid and r["t"] >= start]
    if not exits:
        return None
    others = (r["t"] for r in records if r["t"] > exits[0] and r.get("pid") != pid and (_is_execve(r) or _is_exec(r)))
    return next(others, None)


def _is_execve(record: Record) -> bool:
    return (
        record.get("type") == "syscall" and record.get("name") in {"execve", "execveat"} and record.get("return") == 0
    )


def _is_exec(record: Record) -> bool:
    return record.get("type") == "exec"


def _module_names(records: Sequence[Record]) -> frozenset[str]:
    known = {str(record.get("path") or "") for record in records if record.get("what") == "module_file"}
    known |= {
        path
        for record in records
        if record.get("type") == "syscall" and record.get("name") == "finit_module"
        for path in _paths(record)
    }
    if not known:
        known = {path for record in records for path in _paths(record) if path.endswith(_SUFFIXES)}
    return frozenset(PurePosixPath(path).name for path in known) - {""}


def _paths(record: Record) -> Iterator[str]:
    arguments: Any = record.get("args")
    if record.get("type") != "syscall" or not isinstance(arguments, dict):
        return
    descriptor = arguments.get("fd") or arguments.get("dirfd")
    if isinstance(descriptor, dict):
        yield str(descriptor.get("path") or "")
    for path in (arguments.get("pathname"), arguments.get("filename"), record.get("return_path")):
        if isinstance(path, str):
            yield path
