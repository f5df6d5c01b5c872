"""Watch module loads: the one place where kernel events, process events and their assembly meet."""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from tracer.errors import KernelSideUnavailable
from tracer.escapes import escaped
from tracer.kernel_side.endings import raise_on_ending_signals, undisturbed
from tracer.watch.assembly import Assembly, Record
from tracer.watch.kernel_events import KernelEvents
from tracer.watch.process_events import ProcessEvents
from tracer.watch.processes import Processes

_URGENT = -20  # nice(2)


class Watch:
    """A context manager: the events are on inside, and off again outside, however the block ends.

    Raises:
        KernelSideUnavailable: on entering: not root, no tracefs, or the kernel refused.
        Interrupted: out of the block, on SIGTERM or SIGHUP.
    """

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise KernelSideUnavailable("watch needs root: run 'sudo pyinsmod watch'")
        self._kernel = KernelEvents()
        self._process_events: ProcessEvents | None = None
        self._processes = _LiveProcesses()
        self._assembly = Assembly(self._processes)
        self._restore_signals: Callable[[], None] = lambda: None
        self._nice_before = 0

    def __enter__(self) -> Self:
        """Switch the events on."""
        self._restore_signals = raise_on_ending_signals()
        self._hurry(_URGENT)
        try:
            with undisturbed():
                with contextlib.suppress(OSError):  # then /proc alone says who is who
                    self._process_events = ProcessEvents()
                self._kernel.start()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Switch them off again."""
        self._close()

    @property
    def notes(self) -> list[str]:
        """What this kernel does not let us know, and what got lost, in words."""
        found = []
        if "parameters" not in self._kernel.shows:
            found.append("no probes here: parameters are not known")
        if self._process_events is None:
            found.append("no process events here: of processes that have ended nothing is known")
        elif self._process_events.lost:
            found.append("some process events were lost: a process may lack its parents")
        if self._kernel.lost:
            found.append(f"{self._kernel.lost} events of the kernel were lost: too many at once")
        return found

    def wait(self, seconds: float | None) -> list[Record]:
        """Return the records that came, as soon as there are any; none when the time is over (None: no limit)."""
        deadline = None if seconds is None else time.monotonic() + seconds
        sources = [source for source in (self._kernel, self._process_events) if source is not None]
        while True:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select(sources, [], [], left)
            # Who is who first: a loader's exec came before its call.
            if self._process_events is not None:
                self._processes.take(self._process_events.waiting())
            records = [record for event in self._kernel.waiting() for record in self._assembly.take(event)]
            if records or not ready:
                return records

    def _hurry(self, nice: int) -> None:
        """Have ourselves run as soon as there is something: what we want to know of a loader is gone when it ends."""
        with contextlib.suppress(OSError):
            self._nice_before = os.getpriority(os.PRIO_PROCESS, 0)
            os.setpriority(os.PRIO_PROCESS, 0, nice)

    def _close(self) -> None:
        with undisturbed():
            self._hurry(self._nice_before)
            if self._process_events is not None:
                self._process_events.close()
            try:
                self._kernel.stop()
            except OSError as failure:
                raise KernelSideUnavailable(
                    f"tracefs could not be put back as it was: {failure.filename}: {failure.strerror}"
                ) from failure
            finally:
                self._restore_signals()


class _LiveProcesses(Processes):
    def opened(self, pid: int, descriptor: int) -> str | None:
        """Return the path behind a descriptor; the task is in its system call, or just left it."""
        try:
            return escaped(os.readlink(os.fsencode(f"/proc/{pid}/fd/{descriptor}")))  # noqa: PTH115 - may be no UTF-8
        except OSError:
            return None
