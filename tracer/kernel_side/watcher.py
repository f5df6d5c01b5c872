"""Uevents as they come, and while a module call is under way every change of the modules' states."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Iterable
from typing import Any

from tracer.kernel_side.module_state import state_records
from tracer.kernel_side.uevents import Uevents

# Between two looks: each takes a millisecond or two in an emulated machine, and an init that sleeps does not do so for
# less than this. Shorter calls are seen at their borders.
POLL_SECONDS = 0.025
PATIENCE = 1.0


class Watcher:
    """A thread of its own; from its creation until `stop`.

    It must not run while a call is under way that is to be timed: on a machine with one CPU, each time it wakes makes
    the call longer. So it sleeps during the call. Uevents wait in their socket and are taken out at the call's end;
    when they were sent is found out later, from the kernel's functions (see `uevent_times`).
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)
        self._uevents = Uevents()
        self._seen: dict[str, object] = {}
        self._changes: list[dict[str, Any]] = []
        self._inside = self._done = False
        self._entered = 0
        self._asleep = threading.Event()
        self._told, self._tell = os.pipe2(os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def enter(self) -> None:
        """Note that a module call begins; return when the thread sleeps."""
        if not self._inside:
            self._asleep.clear()
            self._inside = True
            os.write(self._tell, b"!")
            self._asleep.wait(PATIENCE)
            self._uevents.collect()
            self._entered = time.monotonic_ns()

    def leave(self) -> None:
        """Note that it has ended."""
        if self._inside:
            self._uevents.collect(self._entered)
            self._inside = False
            os.write(self._tell, b"!")

    def stop(self) -> list[dict[str, Any]]:
        """End the thread and return the state changes and the uevents."""
        self._done = True
        os.write(self._tell, b"!")
        self._thread.join()
        os.close(self._tell)
        os.close(self._told)
        return [*self._changes, *self._uevents.stop()]

    def _watch(self) -> None:
        while not self._done:
            if not self._inside:
                ready = select.select([self._told, self._uevents.descriptor], [], [])[0]
                if self._told not in ready:
                    self._uevents.collect()
                    continue
            else:
                self._asleep.set()
                ready = select.select([self._told], [], [], POLL_SECONDS)[0]
                if not ready:
                    self._look()
                    continue
            os.read(self._told, 1)

    def _look(self) -> None:
        self._uevents.collect(self._entered)
        records = state_records("during", self._names, details=False)
        if not self._inside:  # over while we looked: what was read may be of before or after the end
            return
        for record in records:
            loaded = record["proc_modules"]
            seen = (loaded and loaded["state"], record["sys_module"])
            if self._seen.get(record["module"]) != seen:
                self._seen[record["module"]] = seen
                self._changes.append(record)
