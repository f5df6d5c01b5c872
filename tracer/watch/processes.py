"""Who a process is and which processes it came from, also when they are gone by the time somebody asks."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from tracer.escapes import escaped
from tracer.watch.process_events import ProcessEvent

#: Ended processes are remembered, the last so many: a load is often asked for by one that did not wait for it.
REMEMBERED = 4096
_LONGEST_CHAIN = 32
_LONGEST_ARGUMENTS = 64 * 1024
_KTHREADD = 2  # the parent of all kernel threads


@dataclass
class Process:
    """A process as last seen; None and () are what could not be found out."""

    pid: int
    parent: int | None = None
    comm: str | None = None
    executable: str | None = None
    arguments: tuple[str, ...] = ()

    @property
    def in_kernel(self) -> bool:
        """Whether it is a kernel thread: one of kthreadd's, and no program was executed."""
        return self.pid == _KTHREADD or (self.parent == _KTHREADD and not self.arguments)


class Processes:
    """What process events and /proc have told so far."""

    def __init__(self) -> None:
        self._known: dict[int, Process] = {}
        self._ended: OrderedDict[int, None] = OrderedDict()

    def take(self, events: Iterable[ProcessEvent]) -> None:
        """Note what happened to processes."""
        for event in events:
            if event.kind == "fork":
                self._forked(event)
            elif event.kind == "exec":
                self._executed(self._known.setdefault(event.pid, Process(event.pid)))
            else:
                self._end(event.pid)

    def chain(self, pid: int) -> list[Process]:
        """Return the process and its ancestors, itself first."""
        found: list[Process] = []
        wanted: int | None = pid
        while wanted and len(found) < _LONGEST_CHAIN and all(one.pid != wanted for one in found):
            found.append(self.process(wanted))
            wanted = found[-1].parent
        return found

    def process(self, pid: int) -> Process:
        """Return what is known of a process; /proc is asked as long as it lives."""
        known = self._known.get(pid)
        if known is None:
            known = self._known[pid] = Process(pid)
        if known.comm is None or known.parent is None:
            self._read(known)
        if known.comm is None:  # gone before anybody looked
            self._end(pid)
        return known

    def _forked(self, event: ProcessEvent) -> None:
        parent = self._known.get(event.parent)
        self._ended.pop(event.pid, None)
        child = self._known[event.pid] = Process(event.pid, event.parent)
        if parent:  # until it executes something it runs what its parent does
            child.comm, child.executable, child.arguments = parent.comm, parent.executable, parent.arguments

    def _executed(self, process: Process) -> None:
        process.comm, process.executable, process.arguments = None, None, ()  # what it was before it is no more
        self._read(process)

    def _end(self, pid: int) -> None:
        if pid not in self._known:
            return
        self._ended[pid] = None
        self._ended.move_to_end(pid)
        if len(self._ended) > REMEMBERED:
            oldest, _ = self._ended.popitem(last=False)
            self._known.pop(oldest, None)

    def _read(self, process: Process) -> None:
        folder = f"/proc/{process.pid}"
        try:
            status = _content(f"{folder}/stat")
            name, _, rest = status.rpartition(b")")
            process.comm = escaped(name.partition(b"(")[2])
            if process.parent is None:
                process.parent = int(rest.split()[1])
            process.arguments = tuple(
                escaped(word) for word in _content(f"{folder}/cmdline").removesuffix(b"\0").split(b"\0") if word
            )
            process.executable = escaped(os.readlink(os.fsencode(f"{folder}/exe")))  # noqa: PTH115 - may be no UTF-8
        except (OSError, ValueError, IndexError):  # gone, or a kernel thread, which has no program
            return


def _content(path: str) -> bytes:
    with open(path, "rb") as stream:  # noqa: PTH123  (per exec of the whole system: a Path costs more)
        return stream.read(_LONGEST_ARGUMENTS)
