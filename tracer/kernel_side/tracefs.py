"""tracefs: switch tracing on for one task, read what it saw, and leave everything as it was found.

Reference: Documentation/trace/ftrace.rst. The top-level buffer is used because function_graph does not
exist in instances of the older kernels; a system on which somebody else is tracing is left alone.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from tracer.errors import KernelSideUnavailable
from tracer.kernel_side.functions import FUNCTIONS

MOUNT_POINTS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
EVENTS = ("module", "initcall")
OPTIONS = {
    "funcgraph-abstime": "1",
    "funcgraph-proc": "1",
    "funcgraph-tail": "1",
    "funcgraph-cpu": "0",
    "funcgraph-overhead": "0",
    "funcgraph-irqs": "0",
    "funcgraph-retval": "1",  # since 6.5
    "funcgraph-retval-hex": "0",
    "function-fork": "1",
    "event-fork": "1",
}
TRACE_CLOCK = "mono"  # CLOCK_MONOTONIC, the clock of all records


class FunctionGraph:
    """The function graph and the module and initcall events of one task and its children."""

    def __init__(self) -> None:
        self._root = _tracefs()
        self._undo: list[tuple[Path, str]] = []

    def start(self, pid: int) -> None:
        """Switch tracing on for `pid` and whatever it forks."""
        if (self._root / "current_tracer").read_text().strip() != "nop":
            raise KernelSideUnavailable("another tracer is using tracefs: its current_tracer is not 'nop'")
        try:
            self._switch_on(pid)
        except OSError as failure:
            self.stop()
            raise KernelSideUnavailable(f"tracefs refused {failure.filename}: {failure.strerror}") from failure

    def _switch_on(self, pid: int) -> None:
        self._set("tracing_on", "0")
        self._set("trace_clock", TRACE_CLOCK, before=self._chosen("trace_clock"))
        self._set("set_ftrace_filter", "\n".join(map(str, self._function_numbers())), before="")
        self._set("set_ftrace_pid", str(pid), before="")
        self._set("set_event_pid", str(pid), before="")
        self._set("current_tracer", "function_graph", before="nop")
        for option, value in OPTIONS.items():
            if (self._root / "options" / option).exists():
                self._set(f"options/{option}", value)
        for event in EVENTS:
            self._set(f"events/{event}/enable", "1", before="0")
        (self._root / "trace").write_text("\n")
        self._set("tracing_on", "1", before="1")

    def stop(self) -> str:
        """Switch everything off again, newest change first, and return the text of the trace."""
        trace = ""
        if self._undo:
            (self._root / "tracing_on").write_text("0")
            trace = (self._root / "trace").read_text(errors="backslashreplace")
        while self._undo:
            path, before = self._undo.pop()
            path.write_text(before or "\n")
        return trace

    def _set(self, name: str, value: str, *, before: str | None = None) -> None:
        path = self._root / name
        earlier = path.read_text().strip() if before is None else before
        path.write_text(value)
        self._undo.append((path, earlier))

    def _chosen(self, name: str) -> str:
        words = (self._root / name).read_text().split()
        return next(word.strip("[]") for word in words if word.startswith("["))

    def _function_numbers(self) -> list[int]:
        """Return the line numbers of the functions there are: set_ftrace_filter takes them without a search."""
        return list(_numbers_below(self._root))


@lru_cache
def _numbers_below(root: Path) -> tuple[int, ...]:
    """Cached because vmlinux comes first in the file, and the loading of modules does not change its lines."""
    text = (root / "available_filter_functions").read_text()
    return tuple(function_numbers(text.splitlines()))


def remember_functions() -> None:
    """Read the list of functions now, so that the first trace of this process need not."""
    _numbers_below(_tracefs())


def function_numbers(available: Iterable[str]) -> list[int]:
    """Return the numbers (from 1) of the lines of `available_filter_functions` that FUNCTIONS asks for."""
    wanted = [name for names in FUNCTIONS.values() for name in names]
    exact = {name for name in wanted if "*" not in name}
    patterns = [name for name in wanted if "*" in name]
    return [
        number
        for number, name in enumerate(available, 1)
        if name in exact or (name[:2] == "__" and any(fnmatch.fnmatchcase(name, one) for one in patterns))
    ]


def _tracefs() -> Path:
    for root in MOUNT_POINTS:
        try:
            if (root / "current_tracer").exists():
                return root
        except PermissionError as refusal:
            raise KernelSideUnavailable("--kernel-events needs root: tracefs may not be read") from refusal
    raise KernelSideUnavailable("--kernel-events needs tracefs: sudo mount -t tracefs tracefs /sys/kernel/tracing")
