"""The kernel's events around module calls, system-wide and live, from a trace instance of our own.

System calls by their tracepoints; where the kernel has none (CONFIG_FTRACE_SYSCALLS), by probes on their entries.
What tracepoints do not show, the text of parameters and the name of a module to be removed, is fetched by probes
where the kernel lets us; without them it is not known.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tracer.errors import KernelSideUnavailable
from tracer.kernel_side.event_text import event_records
from tracer.kernel_side.probes import Hit, Probe, define, hits_of
from tracer.kernel_side.tracefs import Changes, Instance, find_tracefs, write

CALLS = ("init_module", "finit_module", "delete_module")
TRACEPOINTS = ("module/module_load", "module/module_free", "module/module_request", "initcall/initcall_finish")
READ_SIZE = 64 * 1024
_LOST = "[LOST "

# Prefix of a system call's entry → where in its struct pt_regs the first argument stands (asm/ptrace.h,
# asm/syscall_wrapper.h): on these machines the entry has no other argument than that structure.
ENTRIES: Mapping[str, Mapping[str, int]] = {
    "x86_64": {"__x64_sys_": 112, "__ia32_sys_": 40},
    "aarch64": {"__arm64_sys_": 0},
    "riscv64": {"__riscv_sys_": 280},
}


class Entered(NamedTuple):
    """A task entered a module call; `descriptor` of finit_module."""

    t: int
    pid: int
    comm: str
    call: str
    descriptor: int | None


class Left(NamedTuple):
    """A task's module call ended with `result`, a negative errno for a failure."""

    t: int
    pid: int
    call: str
    result: int


class Detail(NamedTuple):
    """Something that happened in a module call, or a `module_request` outside: `values` by the kernel's names."""

    t: int
    pid: int
    comm: str
    name: str
    values: Mapping[str, Any]


KernelEvent = Entered | Left | Detail


class KernelEvents:
    """Live events from `start` until `stop`; `lost` counts what was overwritten before it was read."""

    def __init__(self) -> None:
        self._root = find_tracefs("watch")
        self._changes = Changes()
        self._pipe: int | None = None
        self._rest = ""
        self.lost = 0
        #: What is known of each load: that depends on what this kernel lets us fetch.
        self.shows: list[str] = []

    def start(self) -> None:
        """Switch the events on.

        Raises:
            KernelSideUnavailable: tracefs refused, or this kernel has no events of modules.
        """
        try:
            instance = Instance(self._root, self._changes)
            self._switch_on(instance)
            self._pipe = os.open(instance.path / "trace_pipe", os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            instance.switch(on=True)
        except BaseException as failure:
            self.stop()
            if isinstance(failure, OSError):
                raise KernelSideUnavailable(f"tracefs refused {failure.filename}: {failure.strerror}") from failure
            raise

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        if self._pipe is None:
            raise ValueError("not started")
        return self._pipe

    def waiting(self) -> Iterator[KernelEvent]:
        """Yield what has come, without waiting."""
        while self._pipe is not None and select.select([self._pipe], [], [], 0)[0]:
            try:
                data = os.read(self._pipe, READ_SIZE)
            except BlockingIOError:
                return
            if not data:
                return
            *lines, self._rest = (self._rest + data.decode(errors="surrogateescape")).split("\n")
            self.lost += sum(int(line.partition(_LOST)[2].split()[0]) for line in lines if _LOST in line)
            yield from events_of(lines)

    def stop(self) -> None:
        """Switch everything off again.

        Raises:
            OSError: something could not be.
        """
        if self._pipe is not None:
            os.close(self._pipe)
            self._pipe = None
        self._changes.undo()

    def _switch_on(self, instance: Instance) -> None:
        for event in TRACEPOINTS:
            instance.enable(event)
        enabled = [instance.enable(f"syscalls/sys_{way}_{call}") for call in CALLS for way in ("enter", "exit")]
        tracepoints = all(enabled)
        probes = [Probe("load_module", "uargs=+0($arg2):ustring flags=$arg3:u32", None)]
        probes += _removal_probes() if tracepoints else _entry_probes()
        probed, returning = define(instance, self._changes, probes)
        if probed:
            instance.enable(instance.group)
        if not tracepoints and not returning:
            raise KernelSideUnavailable("watch needs tracepoints of system calls, or probes; this kernel has neither")
        self.shows = ["parameters"] if "load_module" in probed else []
        with contextlib.suppress(OSError):  # wake us for the first event, not for the first page (since 5.0)
            write(instance.path / "buffer_percent", "0")


def events_of(lines: list[str]) -> Iterator[KernelEvent]:
    """Yield what lines of the trace mean."""
    for record in event_records(lines):
        name, call = record["name"], record["name"].removeprefix("sys_")
        hits, _ = hits_of([record])
        if hits:
            yield from _probed(hits[0], record["comm"])
        elif call in CALLS and record["text"].startswith("->"):
            yield Left(record["t"], record["pid"], call, signed(record["text"][2:]))
        elif call in CALLS:
            yield Entered(record["t"], record["pid"], record["comm"], call, _descriptor(call, record["text"]))
        elif name == "module_request":
            values = {**record["fields"], "alias": record["text"].partition(" wait=")[0]}
            yield Detail(record["t"], record["pid"], record["comm"], name, values)
        else:
            yield Detail(record["t"], record["pid"], record["comm"], name, record["fields"])


def signed(text: str) -> int:
    """Return a result as the kernel prints it, in hexadecimal, as a signed number."""
    value = int(text.strip(), 0)
    return value - (1 << 64) if value >= 1 << 63 else value


def _descriptor(call: str, text: str) -> int | None:
    if call != "finit_module" or "fd: " not in text:
        return None
    try:
        return int(text.partition("fd: ")[2].partition(",")[0].rstrip(")"), 16)  # %lx
    except ValueError:
        return None


def _probed(hit: Hit, comm: str) -> Iterator[KernelEvent]:
    call = next((call for call in CALLS if hit.function.endswith(f"sys_{call}")), None)
    if call is None:
        yield Detail(hit.t, hit.pid, comm, hit.function, hit.values)
    elif not hit.entry:
        yield Left(hit.t, hit.pid, call, hit.values["result"])
    else:
        if "fd" in hit.values:
            yield Entered(hit.t, hit.pid, comm, call, hit.values["fd"] if call == "finit_module" else None)
        if "name" in hit.values:
            yield Detail(hit.t, hit.pid, comm, call, hit.values)


def _removal_probes() -> Iterator[Probe]:
    for prefix, offset in _entries().items():
        yield Probe(f"{prefix}delete_module", f"name=+0(+{offset}($arg1)):ustring", None)


def _entry_probes() -> Iterator[Probe]:
    for prefix, offset in _entries().items():
        for call in CALLS:
            name = f" name=+0(+{offset}($arg1)):ustring" if call == "delete_module" else ""
            yield Probe(f"{prefix}{call}", f"fd=+{offset}($arg1):s32{name}", "s64")


def _entries() -> Mapping[str, int]:
    return ENTRIES.get(os.uname().machine, {})
