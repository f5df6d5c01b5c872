"""The kernel's side of a trace: function graph, events, log, uevents and module states on one clock."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import read_image
from tracer.errors import KernelSideUnavailable
from tracer.kernel_side import KernelSide
from tracer.kernel_side.endings import raise_on_ending_signals, undisturbed
from tracer.kernel_side.kernel_buffer import KernelBuffer
from tracer.kernel_side.kmsg import AlignedLog
from tracer.kernel_side.module_file import file_record
from tracer.kernel_side.module_names import module_content, module_files, module_name, modules_asked_for
from tracer.kernel_side.module_state import proc_modules, state_records, sys_module
from tracer.kernel_side.relocated import relocation_record
from tracer.kernel_side.taint import taint_record
from tracer.kernel_side.uevent_times import timed
from tracer.kernel_side.watcher import Watcher
from tracer.ptrace.tracee import Moment, RawCall
from tracer.records import Record


class KernelTracing(KernelSide):
    """Everything the kernel shows of a load to root; one object serves one recording."""

    def __init__(self, *, quick: bool = False) -> None:
        """`quick`: without probes, and in the top-level buffer: for a machine in which nobody else traces.

        Raises:
            KernelSideUnavailable: not root, or no tracefs.
        """
        if os.geteuid() != 0:
            raise KernelSideUnavailable("--kernel-events needs root")
        self._records: list[dict[str, Any]] = []
        self._files: list[Path] = []
        self._names: set[str] = set()
        self._loaded_before: set[str] = set()
        self._buffer = KernelBuffer(quick=quick)
        self._log: AlignedLog | None = None
        self._watcher: Watcher | None = None
        self._restore_signals: Callable[[], None] = lambda: None

    def arm(self, modules: Sequence[str]) -> None:
        """Switch on what takes long, before there is a command, and for good: for a machine that ends with its trace.

        `modules` are the names of some that will likely be loaded; `quick` is a condition.

        Raises:
            KernelSideUnavailable: tracefs refused something.
        """
        self._buffer.arm(modules)

    def start(self, pid: int, command: Sequence[str]) -> None:
        """Look at the module files the command names, note the state, and switch everything on."""
        self._restore_signals = raise_on_ending_signals()
        self._files = module_files(command)
        self._records += [file_record(path) for path in self._files]
        self._names = {*map(module_name, self._files), *modules_asked_for(command)}
        self._loaded_before = set(proc_modules())
        self._look("before", self._names)
        with undisturbed():
            self._log = AlignedLog()
            self._watcher = Watcher(self._names)
            self._buffer.start(pid, sorted(self._names))

    def header(self) -> dict[str, Any]:
        """Return what of the kernel is recorded, from where, and how far its times can be off."""
        log = {"log_clock_error_ns": self._log.error_ns} if self._log else {}
        return {"kernel_side": {**self._buffer.header(), **log}}

    def at_module_call(self, moment: Moment, call: RawCall) -> None:  # noqa: ARG002 - the protocol has it
        """Note the state at the border of a module call; between entry and exit it is watched."""
        if self._watcher and moment == "exit":
            self._watcher.leave()
        self._look(moment, self._names if moment == "entry" else self._known_names())
        if moment == "exit":
            self._buffer.collect()
            self._buffer.resume()
        if self._watcher and moment == "entry":
            self._watcher.enter()

    def stop(self) -> Iterable[Record]:
        """Switch everything off and return all records."""
        try:
            kernel = self._buffer.stop()
        finally:
            self._restore_signals()
            watched = self._watcher.stop() if self._watcher else []
            log = self._log.stop() if self._log else []
        self._look("after", self._known_names())
        lost = {"type": "state", "t": time.monotonic_ns(), "moment": "after", **self._buffer.state()}
        return [*self._records, lost, *timed(watched, kernel), *log, *self._relocations()]

    def _look(self, moment: str, names: Iterable[str]) -> None:
        self._records += [*state_records(moment, sorted(names)), taint_record(moment)]

    def _known_names(self) -> set[str]:
        self._names |= set(proc_modules()) - self._loaded_before
        return self._names

    def _relocations(self) -> list[dict[str, Any]]:
        """Hold the memory of each module that was loaded against its file."""
        records = []
        for path in self._files:
            name = module_name(path)
            state = sys_module(name)
            if name not in self._loaded_before and state and state["initstate"] == "live":
                try:
                    records.append(relocation_record(name, read_image(module_content(path)), state["sections"]))
                except (OSError, ValueError, MalformedModule):  # no kcore here: then there is no such record
                    continue
        return records
