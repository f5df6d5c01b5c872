"""Uevents as they come, and while a module call is under way every change of the modules' states."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from tracer.kernel_side.module_state import state_records
from tracer.kernel_side.uevents import Uevents

POLL_SECONDS = 0.004
IDLE_SECONDS = 0.02
#: Looking may take one part in so many of the time between two looks, or it would slow the load down.
SHARE = 25


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
        pause = POLL_SECONDS
        due: float | None = None
        while not self._done.is_set():
            if not self.inside.is_set():
                due = None
                self._uevents.wait(IDLE_SECONDS)
                continue
            now = time.monotonic()
            due = now + pause if due is None else due
            self._uevents.wait(max(0.0, due - now))
            if self.inside.is_set() and time.monotonic() >= due:  # not for each uevent: looking takes long
                before = time.monotonic()
                self._look()
                pause = max(POLL_SECONDS, SHARE * (time.monotonic() - before))
                due = time.monotonic() + pause

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
