"""The function graph of one task and its children: in an instance where the kernel can, else at the top level.

Whether it can is tried: writing `function_graph` into an instance's `current_tracer` is refused by kernels
before 6.11 or so, whose graph exists once in the system.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from tracer.errors import KernelSideUnavailable
from tracer.kernel_side.functions import FUNCTIONS, SENDS_UEVENTS, STAND_INS
from tracer.kernel_side.top_level import TopLevel
from tracer.kernel_side.tracefs import Changes, Instance, find_tracefs, write

EVENTS = ("module", "initcall")
OPTIONS = {
    "funcgraph-abstime": "1",
    "funcgraph-proc": "1",
    "funcgraph-tail": "1",
    "funcgraph-cpu": "0",
    "funcgraph-overhead": "0",
    "funcgraph-irqs": "0",
    "function-fork": "1",
    "event-fork": "1",
}
# Where the kernel has them: since 6.5, since 6.15, and if configured.
RETURN_VALUES = {"funcgraph-retval": "1", "funcgraph-retval-hex": "0", "funcgraph-retaddr": "0"}
ARGUMENTS = {"funcgraph-args": "1"}


class FunctionGraph:
    """`place` has the graph once it is started; None where there can be none, and then `missing` says why."""

    def __init__(self, root: Path, changes: Changes) -> None:
        self._root = root
        self._changes = changes
        self.place: Instance | TopLevel | None = None
        self.missing: str | None = None
        self.shows: list[str] = []

    def start(self, pid: int, instance: Instance | None, modules: Sequence[str]) -> None:
        """Prepare the graph of `pid`, with the kernel's own functions and all of `modules`, in a stopped buffer.

        Without an instance the events are switched on at the top level, too.

        Raises:
            KernelSideUnavailable: without an instance there is no other place, and it is taken.
            OSError: tracefs refused something.
        """
        if instance is not None and self._start_in(instance, pid, modules):
            self.place = instance
            return
        try:
            place = TopLevel(self._root, self._changes, only_tracer=instance is None)
        except KernelSideUnavailable as taken:
            if instance is None:
                raise
            self.missing = str(taken)
            return
        self._start_at_top(place, pid, modules, events=instance is None)
        self.place = place

    def arm(self, modules: Sequence[str]) -> None:
        """Prepare the graph of a process still to be named by `aim`, and the events, in the stopped top-level buffer.

        Raises:
            KernelSideUnavailable: it is taken.
            OSError: tracefs refused something.
        """
        place = TopLevel(self._root, self._changes, only_tracer=True)
        self._prepare(place, modules)
        place.set("current_tracer", "function_graph")
        self._switch_events_on(place)
        self.place = place

    def aim(self, pid: int, modules: Sequence[str]) -> None:
        """Have the armed graph show `pid`, and all functions of further modules."""
        if isinstance(self.place, TopLevel):
            # What is said there of a module goes when it is loaded.
            followed = (self.place.path / "set_ftrace_filter").read_text()
            self._follow(self.place.path, [name for name in modules if f":mod:{name}\n" not in followed])
            self.place.set("set_ftrace_pid", str(pid))
            self.place.set("set_event_pid", str(pid))

    def _start_in(self, instance: Instance, pid: int, modules: Sequence[str]) -> bool:
        write(instance.path / "set_ftrace_filter", self._functions())
        write(instance.path / "set_ftrace_pid", str(pid))
        try:
            write(instance.path / "current_tracer", "function_graph")
        except OSError:
            return False
        self._follow(instance.path, modules)
        self._show(instance)
        return True

    def _start_at_top(self, place: TopLevel, pid: int, modules: Sequence[str], *, events: bool) -> None:
        self._prepare(place, modules)
        place.set("set_ftrace_pid", str(pid))
        place.set("current_tracer", "function_graph")
        if events:
            place.set("set_event_pid", str(pid))
            self._switch_events_on(place)

    def _prepare(self, place: TopLevel, modules: Sequence[str]) -> None:
        place.use_clock()
        place.set("set_ftrace_filter", self._functions(), before="\n")
        self._follow(place.path, modules)
        self._show(place)

    def _switch_events_on(self, place: TopLevel) -> None:
        for event in EVENTS:
            place.set(f"events/{event}/enable", "1", before="0")

    def _functions(self) -> str:
        """Return the line numbers of the functions there are: set_ftrace_filter takes them without a search."""
        return "\n".join(map(str, _numbers_below(self._root)))

    def _follow(self, folder: Path, modules: Sequence[str]) -> None:
        """Have all functions of modules traced; the kernel remembers the names of those that are not loaded yet."""
        for name in modules:
            write(folder / "set_ftrace_filter", f"*:mod:{name}\n", append=True)

    def _show(self, place: Instance | TopLevel) -> None:
        for option, value in OPTIONS.items():
            place.option(option, value)
        for what, options in {"returns": RETURN_VALUES, "args": ARGUMENTS}.items():
            if [place.option(option, value) for option, value in options.items()][0]:  # noqa: RUF015 - all are set
                self.shows.append(what)


@lru_cache
def _numbers_below(root: Path) -> tuple[int, ...]:
    """Cached because vmlinux comes first in the file, and the loading of modules does not change its lines."""
    text = (root / "available_filter_functions").read_text()
    return tuple(function_numbers(text.splitlines()))


def remember_functions() -> None:
    """Read the list of functions now, so that the first trace of this process need not."""
    _numbers_below(find_tracefs("--kernel-events"))


def function_numbers(available: Iterable[str]) -> list[int]:
    """Return the numbers (from 1) of the lines of `available_filter_functions` with what is followed."""
    available = list(available)
    there = set(available)
    wanted = [name for names in FUNCTIONS.values() for name in names if STAND_INS.get(name) not in there]
    exact = {SENDS_UEVENTS, *(name for name in wanted if "*" not in name)}
    patterns = [name for name in wanted if "*" in name]
    return [
        number
        for number, name in enumerate(available, 1)
        if name in exact or (name[:2] == "__" and any(fnmatch.fnmatchcase(name, one) for one in patterns))
    ]
