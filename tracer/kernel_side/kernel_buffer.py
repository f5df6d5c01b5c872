"""What the kernel's own tracing shows of one task: functions with arguments and results, events.

In an instance of our own where possible, so that a system on which somebody else traces is left alone. Kernels whose
instances have no function graph lend their top-level buffer for it, if nobody uses that; else the probes
alone show the functions they are on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracer.errors import KernelSideUnavailable
from tracer.kernel_side import probes
from tracer.kernel_side.endings import undisturbed
from tracer.kernel_side.event_text import event_records
from tracer.kernel_side.function_graph import EVENTS, FunctionGraph
from tracer.kernel_side.graph_text import graph_records
from tracer.kernel_side.top_level import TopLevel, recover_unless_in_use
from tracer.kernel_side.tracefs import CLOCK_ERROR_NS, Changes, Instance, find_tracefs, write

Record = dict[str, Any]


class KernelBuffer:
    """Serves one trace: `start`, then `stop`, which may come after a `start` that failed."""

    def __init__(self, *, quick: bool) -> None:
        """`quick`: everything in the top-level buffer, without probes: set up much sooner."""
        self._quick = quick
        self._root = find_tracefs("--kernel-events")
        self._changes = Changes()
        self._graph = FunctionGraph(self._root, self._changes)
        self._instance: Instance | None = None
        self._probed: tuple[set[str], set[str]] = (set(), set())
        self._lost = 0
        self._armed = False
        #: The text so far of the place with the graph, and of the instance where that is another.
        self._texts: dict[int, str] = {}

    def arm(self, modules: Sequence[str]) -> None:
        """Prepare a quick trace of a process still unknown, for good: nothing is switched off again.

        Raises:
            KernelSideUnavailable: tracefs refused something; everything is switched off again.
        """
        try:
            recover_unless_in_use(self._root)
            self._graph.arm(modules)
        except OSError as failure:
            self.stop()
            raise KernelSideUnavailable(f"tracefs refused {failure.filename}: {failure.strerror}") from failure
        self._armed = True

    def start(self, pid: int, modules: Sequence[str]) -> None:
        """Switch everything on for `pid` and whatever it forks.

        Raises:
            KernelSideUnavailable: tracefs refused something; everything is switched off again.
        """
        try:
            if self._armed:
                self._graph.aim(pid, modules)
            else:
                recover_unless_in_use(self._root)
                self._instance = None if self._quick else Instance(self._root, self._changes)
                self._graph.start(pid, self._instance, modules)
                if self._instance is not None:
                    self._switch_events_on(self._instance, pid)
            self.resume()
        except OSError as failure:
            self.stop()
            raise KernelSideUnavailable(f"tracefs refused {failure.filename}: {failure.strerror}") from failure

    def _switch_events_on(self, instance: Instance, pid: int) -> None:
        # Where the graph shows what functions return, it does so for nothing; probes at returns make a load longer.
        self._probed = probes.define(instance, self._changes, returns="returns" not in self._graph.shows)
        for option in ("event-fork", "function-fork"):
            instance.option(option, "1")
        write(instance.path / "set_event_pid", str(pid))
        for event in (*EVENTS, *([instance.group] if self._probed[0] else ())):
            instance.enable(event)

    def stop(self) -> list[Record]:
        """Switch everything off again, unless it was armed for good, newest change first, and return what was seen.

        Raises:
            KernelSideUnavailable: something could not be put back.
        """
        graph, events = self._graph.place, self._instance
        with undisturbed():
            try:
                self.collect(last=self._armed)
                self._lost = sum(place.lost_events() for place in self._places())
            except OSError as failure:
                raise KernelSideUnavailable(f"tracefs: {failure.filename}: {failure.strerror}") from failure
            finally:
                self._graph.place = self._instance = None
                if not self._armed:
                    self._put_back()
        apart = self._texts.pop(id(events), "") if events is not graph else ""
        return _records(self._texts.get(id(graph)), apart)

    def collect(self, *, last: bool = False) -> None:
        """Take over what was recorded so far; nothing is recorded any more until `resume`.

        The `last` time the buffer is left as it is: the kernel waits before it clears one.

        The kernel looks names up when its text is read. Later the memory of a module's init may be another
        module's, and its functions would be called by names of that one's.
        """
        for place in self._places():
            place.switch(on=False)
        for place in self._places():
            path = place.path / "trace"
            self._texts[id(place)] = self._texts.get(id(place), "") + path.read_text(errors="surrogateescape")
            if not last:
                write(path, "")

    def resume(self) -> None:
        """Go on recording."""
        for place in self._places():
            place.switch(on=True)

    def _places(self) -> list[Instance | TopLevel]:
        places = {id(place): place for place in (self._instance, self._graph.place) if place is not None}
        return list(places.values())

    def header(self) -> dict[str, Any]:
        """Return where functions and events are from, and how far the times can be off."""
        place = self._graph.place
        where = "top level of tracefs" if place is not self._instance else self._instance and self._instance.name
        header: dict[str, Any] = {
            "functions": f"function graph, {where}" if place else "probes",
            "events": self._instance.name if self._instance else "top level of tracefs",
            "arguments": sorted(self._probed[0]),
            "returns": "all" if "returns" in self._graph.shows else sorted(self._probed[1]),
            "clock_error_ns": CLOCK_ERROR_NS,
        }
        return header if self._graph.missing is None else {**header, "no_function_graph": self._graph.missing}

    def state(self) -> dict[str, Any]:
        """Return how many events were lost, for a `state` record."""
        return {"what": "tracefs", "lost_events": self._lost}

    def _put_back(self) -> None:
        try:
            self._changes.undo()
        except OSError as failure:
            raise KernelSideUnavailable(
                f"tracefs could not be put back as it was: {failure.filename}: {failure.strerror}"
            ) from failure


def _records(graph: str | None, events_apart: str) -> list[Record]:
    """Return the records of a function graph's text (None: there was none) and of a buffer with events alone."""
    shown = graph_records(graph or "")
    calls = [record for record in shown if record["type"] == "kernel_call"]
    events = [record for record in shown if record["type"] == "kernel_event"]
    hits, events = probes.hits_of([*events, *event_records(events_apart.split("\n"))])
    if graph is None:
        calls = probes.calls_from(hits)
    probes.add_to_calls(calls, hits if graph is not None else ())
    return [*calls, *events]
