"""Record a command: the one place that puts event loop, decoders and the kernel's side together."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

from tracer.call_sets import MODULE_LOADING, CallSet, described
from tracer.decode import names
from tracer.kernel_side import KernelSide
from tracer.ptrace import child as ptrace_child
from tracer.ptrace import seccomp
from tracer.ptrace.child import Child
from tracer.ptrace.interrupts import interrupts
from tracer.ptrace.loop import Loop
from tracer.ptrace.one_cpu import one_cpu
from tracer.ptrace.seccomp import Installers, Interest
from tracer.recording import Recording
from tracer.records import SCHEMA, Record, Sink

Pinning = Literal["auto", "never"]
#: "auto": a seccomp filter where it can be had (see `tracer.ptrace.seccomp`), so that only calls of interest
#: stop; "syscall": every call does. The records are the same.
Stops = Literal["auto", "syscall"]

#: Bytes of a buffer that a record shows: enough for a message on stderr, whole.
DATA_LIMIT = 4096


def record(
    command: Sequence[str],
    sink: Sink,
    *,
    calls: CallSet = MODULE_LOADING,
    kernel_side: KernelSide | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    pin: Pinning = "auto",
    stops: Stops = "auto",
    data_limit: int = DATA_LIMIT,
) -> int:
    """Run `command` to its end, give header, records and end to `sink`, and return the command's exit status.

    The status is 128 + signal when a signal killed the command. Without a kernel side records come as the
    calls complete, and nothing is kept in memory; with one, all come at the end, in the order of their
    time. All children of this process are waited for meanwhile, also those that are none of the trace's.

    Raises:
        CommandNotStarted: the command cannot be executed; the trace then has the attempt and an end.
        Interrupted: SIGTERM or SIGHUP came.
        KernelSideUnavailable: from `kernel_side`, before the command was executed.
        PtraceFailed: the kernel does not let us trace.
        UnknownArchitecture, UnknownCall: no tables for this machine, or a name in `calls` that they lack.
    """
    machine = os.uname().machine
    architectures = [architecture.audit for architecture in names.machine_architectures(machine)]
    if calls is not None:
        names.check_call_names(calls, machine)
    recording = Recording(sink, calls, kernel_side, data_limit)
    interest = _interest(None if calls is None else calls | recording.hooked, architectures)
    installers = _filter_installers(architectures)
    program = seccomp.filter_program(interest, installers) if stops == "auto" and seccomp.permitted() else None
    child = ptrace_child.start(command, cwd=cwd, env=env, program=program)
    try:
        loop = Loop(
            recording,
            before_exec=_interest(frozenset(("execve",)), architectures),
            interest=interest,
            filtered=None if program is None else installers,
        )
        with (
            _started(kernel_side, child.pid, command) as kernel_records,
            one_cpu(child.pid, wanted=pin == "auto") as cpu,
            _no_garbage_collection(),
        ):
            header = _header(command, child.pid, calls, cpu, "syscall" if program is None else "seccomp")
            sink({**header, **(kernel_side.header() if kernel_side else {})})
            status = _exit_status(_run(loop, child))
        recording.finish(kernel_records, status)
    except BaseException:
        child.abandon()
        raise
    child.check_started()
    return status


def _run(loop: Loop, child: Child) -> int:
    with interrupts(child.pid):
        child.release()
        try:
            return loop.run(child.pid)
        except BaseException:
            loop.kill()
            raise


@contextmanager
def _started(kernel_side: KernelSide | None, pid: int, command: Sequence[str]) -> Iterator[list[Record]]:
    """Run the kernel's side around the block; the list has its records once the block is left."""
    kernel_records: list[Record] = []
    if kernel_side is None:
        yield kernel_records
        return
    try:
        kernel_side.start(pid, command)
        yield kernel_records
    finally:
        kernel_records.extend(kernel_side.stop())


def _interest(wanted: CallSet, architectures: Iterable[int]) -> Interest:
    return {audit: None if wanted is None else names.call_numbers(wanted, audit) for audit in architectures}


def _filter_installers(architectures: Iterable[int]) -> dict[int, Installers]:
    return {
        audit: Installers(*(names.call_numbers(frozenset((name,)), audit) for name in Installers._fields))
        for audit in architectures
    }


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Hold the search for cycles off: records have none, and it would go through all of a caller's objects."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _header(command: Sequence[str], pid: int, calls: CallSet, cpu: int | None, stops: str) -> Record:
    system = os.uname()
    return {
        "schema": SCHEMA,
        "type": "header",
        "command": list(command),
        "pid": pid,
        "arch": system.machine,
        "clock": "CLOCK_MONOTONIC",
        "release": system.release,
        "start": time.monotonic_ns(),
        "calls": described(calls),
        "pinned_to_cpu": cpu,
        "stops": stops,
    }


def _exit_status(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code
