"""Uevents as they come, and while a module call is under way every change of the modules' states."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from tracer.kernel_side.module_state import state_records
from tracer.kernel_side.uevents import Uevents

# Between two looks: each takes a millisecond or two in an emulated machine, and an init that sleeps does not do so for
# less than this. Shorter calls are seen at their borders.
POLL_SECONDS = 0.025
IDLE_SECONDS = 0.01


class Watcher:
    """A thread of its own; from its creation until `stop`."""

    def __init__(self, names: Iterable[str]) -> None:
        self.inside = threading.Event()
        self._names = sorted(names)
        self._uevents = Uevents()
        self._seen: dict[str, object] = {}
        self._changes: list[dict[str, Any]] = []
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> list[dict[str, Any]]:
        """End the thread and return the state changes and the uevents."""
        self._done.set()
        self._thread.join()
        return [*self._changes, *self._uevents.stop()]

    def _watch(self) -> None:
        due: float | None = None
        while not self._done.is_set():
            if not self.inside.is_set():
                due = None
                self._uevents.wait(IDLE_SECONDS)
                continue
            due = time.monotonic() + POLL_SECONDS if due is None else due
            self._uevents.wait(max(0.0, due - time.monotonic()))
            if self.inside.is_set() and time.monotonic() >= due:  # not for each uevent: a load sends many
                self._look()
                due = None

    def _look(self) -> None:
        records = state_records("during", self._names, details=False)
        if not self.inside.is_set():  # over while we looked: what was read may be of before or after the end
            return
        for record in records:
            loaded = record["proc_modules"]
            seen = (loaded and loaded["state"], record["sys_module"])
            if self._seen.get(record["module"]) != seen:
                self._seen[record["module"]] = seen
                self._changes.append(record)
