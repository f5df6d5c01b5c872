"""The kernel's side of a trace: function graph, events, log, uevents and module states on one clock."""

from __future__ import annotations

import os
import re
import shlex
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import read_image
from tracer.errors import KernelSideUnavailable
from tracer.kernel_side import KernelSide
from tracer.kernel_side.graph_text import graph_records
from tracer.kernel_side.kmsg import AlignedLog
from tracer.kernel_side.module_file import file_record, kbuild_name, modprobe_files
from tracer.kernel_side.module_state import proc_modules, state_records, sys_module
from tracer.kernel_side.relocated import relocation_record
from tracer.kernel_side.tracefs import FunctionGraph
from tracer.kernel_side.uevents import Uevents
from tracer.ptrace.tracee import Moment, RawCall
from tracer.records import Record

MODULE_FILE = re.compile(r"\.ko(?:\.(?:gz|xz|zst))?$")
POLL_SECONDS = 0.004
IDLE_SECONDS = 0.01


class KernelTracing(KernelSide):
    """Everything the kernel shows of a load to root; one object serves one recording."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            raise KernelSideUnavailable("--kernel-events needs root")
        self._records: list[dict[str, Any]] = []
        self._files: list[Path] = []
        self._names: set[str] = set()
        self._graph = FunctionGraph()
        self._log: AlignedLog | None = None
        self._watcher: _Watcher | None = None

    def start(self, pid: int, command: Sequence[str]) -> None:
        """Look at the module files the command names, note the state, and switch everything on."""
        self._files = _module_files(command)
        self._records += [file_record(path) for path in self._files]
        self._names = {module_name(path) for path in self._files}
        self._loaded_before = set(proc_modules())
        self._records += state_records("before", sorted(self._names))
        self._log = AlignedLog()
        self._watcher = _Watcher(self._names)
        self._graph.start(pid)

    def at_module_call(self, moment: Moment, call: RawCall) -> None:  # noqa: ARG002 - the protocol has it
        """Note the state at the border of a module call; between entry and exit it is watched."""
        if moment == "entry":
            self._records += state_records("entry", sorted(self._names))
        if self._watcher and moment == "entry":
            self._watcher.inside.set()
        elif self._watcher:
            self._watcher.inside.clear()
        if moment == "exit":
            self._records += state_records("exit", sorted(self._known_names()))

    def stop(self) -> Iterable[Record]:
        """Switch everything off and return all records."""
        graph = graph_records(self._graph.stop())
        watched = self._watcher.stop() if self._watcher else []
        log = self._log.stop() if self._log else []
        self._records += state_records("after", sorted(self._known_names()))
        return [*self._records, *graph, *watched, *log, *self._relocations()]

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
                    records.append(relocation_record(name, read_image(path.read_bytes()), state["sections"]))
                except (OSError, ValueError, MalformedModule):  # no kcore here: then there is no such record
                    continue
        return records


class _Watcher:
    """A thread that collects uevents as they come and, during a module call, every change of state."""

    def __init__(self, names: set[str]) -> None:
        self.inside = threading.Event()
        self._names = names
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
        while not self._done.is_set():
            if self.inside.is_set():
                self._look()
                self._uevents.wait(POLL_SECONDS)
            else:
                self._uevents.wait(IDLE_SECONDS)

    def _look(self) -> None:
        for record in state_records("during", sorted(self._names), details=False):
            loaded = record["proc_modules"]
            seen = (loaded and loaded["state"], record["sys_module"])
            if self._seen.get(record["module"]) != seen:
                self._seen[record["module"]] = seen
                self._changes.append(record)


def module_name(path: Path) -> str:
    """Return the name a module file stands for: its own word for it, else its file name as kbuild makes it."""
    try:
        name = read_image(path.read_bytes()).name
    except (OSError, MalformedModule):
        name = None
    return name or kbuild_name(path.name)


def _module_files(command: Sequence[str]) -> list[Path]:
    """Return the module files a command line names, also inside the script of `sh -c` and by name for modprobe."""
    words = [word for argument in command for word in (argument, *_shell_words(argument))]
    paths = [Path(word).absolute() for word in words if MODULE_FILE.search(word)] + modprobe_files(words)
    return [path for path in dict.fromkeys(paths) if path.is_file()]


def _shell_words(text: str) -> list[str]:
    lexer = shlex.shlex(text, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # unbalanced quotes: no shell script then
        return []
