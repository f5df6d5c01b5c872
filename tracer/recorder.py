"""Record a command: the one place that puts event loop, decoders and the kernel's side together.

Without a kernel side records come as the calls complete, and nothing is kept in memory; with one, all come at the
end, in the order of their time. All children of this process are waited for meanwhile, also those that are none of
the trace's.

What `record` can be given:

- `attach`: processes that run already, to be traced too, or without any command (then it is empty). They are neither
  pinned nor filtered, and go on unharmed when the trace ends: with the command, or on SIGINT, SIGQUIT, SIGTERM or
  SIGHUP when there is none, or when this process is killed.
- `inject`: faults put into calls, which are recorded even when they are not in `calls`; of several for one call the
  last holds.
- `text_sink`: only strace's text of the records is wanted (`tracer.strace_text`). They have no paths of descriptors and
  no hashes, and simple calls do not become records: they go there, to be shown by `tracer.recording.text_of_call`, in
  their order among the records. All of this saves time.
"""

from __future__ import annotations

import gc
import os
import time

from pyinsmod.lean import TYPE_CHECKING, Iterator, Literal, Mapping, Sequence, contextmanager, nullcontext
from tracer.call_sets import MODULE_LOADING, CallSet
from tracer.errors import Interrupted, KernelSideUnavailable
from tracer.ptrace import child as ptrace_child
from tracer.ptrace.affinity import one_cpu
from tracer.ptrace.child import Child
from tracer.ptrace.giving_way import giving_way
from tracer.ptrace.interrupts import interrupts
from tracer.ptrace.loop import Loop
from tracer.record_types import SCHEMA, Record, Sink
from tracer.recording import Recording, TextSink
from tracer.trace_setup import TraceSetup, with_injected

if TYPE_CHECKING:
    from tracer.injections import Fault
    from tracer.kernel_side import KernelSide

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
    attach: Sequence[int] = (),
    inject: Sequence[Fault] = (),
    calls: CallSet = MODULE_LOADING,
    kernel_side: KernelSide | None = None,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    pin: Pinning = "auto",
    stops: Stops = "auto",
    data_limit: int = DATA_LIMIT,
    text_sink: TextSink | None = None,
) -> int:
    """Run `command` to its end, give header, records and end to `sink`, and return the command's exit status.

    The status is 128 + signal when a signal killed the command, 0 without a command. What `attach`, `inject`,
    `kernel_side` and `text_sink` do, and whom this waits for, is told at the head of this module.

    Raises:
        CommandNotStarted: the command cannot be executed; the trace then has the attempt and an end.
        Interrupted: SIGTERM or SIGHUP came while a command was traced.
        KernelSideUnavailable: from `kernel_side`, before the command was executed.
        NotAttached: one of `attach` cannot be traced, or no command; nothing is.
        PtraceFailed: the kernel refused something later.
        UnknownArchitecture, UnknownCall: no tables for this machine, or a name in `calls` that they lack.
    """
    calls = with_injected(calls, inject)
    recording = Recording(sink, calls, kernel_side, data_limit, text_sink)
    alone = bool(command) and not attach
    setup = TraceSetup(
        calls, recording.hooked, inject, pinning=alone and pin == "auto", filtering=alone and stops == "auto"
    )
    loop = setup.loop(recording)
    ending = _Ending(loop)
    # As late as can be: what is done from here until it executes has each page of memory copied.
    with _started(command, cwd, env, setup.program) as child:
        with (
            interrupts(None, ending) if child is None else nullcontext(),
            _attached(loop, attach),
            _observed(kernel_side, child, command) as kernel_records,
        ):
            status = _follow(
                loop, child, ending, setup, lambda how: sink(_header(command, child, attach, how, kernel_side))
            )
        recording.finish(kernel_records, status)
    return status


@contextmanager
def _started(
    command: Sequence[str], cwd: str | None, env: Mapping[str, str] | None, program: bytes | None
) -> Iterator[Child | None]:
    """Yield the child that is to execute the command, if there is one, and say at the end if it could not."""
    child = ptrace_child.start(command, cwd=cwd, env=env, program=program) if command else None
    try:
        yield child
    except BaseException:
        if child is not None:
            child.abandon()
        raise
    if child is not None:
        child.check_started()


def _follow(loop: Loop, child: Child | None, ending: _Ending, setup: TraceSetup, begin: Sink) -> int:
    """Run the loop on one CPU, if that is wanted, and return the exit status; `begin` is told how, for the header."""
    with one_cpu(child.pid if child else 0, wanted=setup.pinning) as pinned, _no_garbage_collection():
        loop.changing.table = setup.changes(pinned, loop)
        begin(setup.described(pinned))
        with giving_way(pinned, loop.tracees):
            return _exit_status(_run(loop, child, ending))


class _Ending:
    """Ends a loop when a signal asks for it, and remembers which."""

    def __init__(self, loop: Loop) -> None:
        self.signal = 0
        self._loop = loop

    def __call__(self, number: int) -> None:
        """Be a signal's handler."""
        self.signal = number
        self._loop.leave()


def _run(loop: Loop, child: Child | None, ending: _Ending) -> int:
    """Run the loop and leave no tracee; return the command's wait status, 0 without one."""
    if child is None:
        return loop.run()
    with interrupts(child.pid, ending):
        try:
            child.release()
            status = loop.run(child.pid)
        except BaseException:
            loop.kill()
            raise
        else:
            if ending.signal:
                loop.kill()
        finally:
            loop.let_go()
    if ending.signal:
        raise Interrupted(ending.signal)
    return status


@contextmanager
def _attached(loop: Loop, pids: Sequence[int]) -> Iterator[None]:
    """Have processes traced in the block, and let go of them at its end."""
    if not pids:
        yield
        return
    loop.attach(pids)
    try:
        yield
    finally:
        loop.let_go()


@contextmanager
def _observed(kernel_side: KernelSide | None, child: Child | None, command: Sequence[str]) -> Iterator[list[Record]]:
    """Run the kernel's side around the block; the list has its records once the block is left."""
    kernel_records: list[Record] = []
    if kernel_side is None:
        yield kernel_records
        return
    if child is None:
        raise KernelSideUnavailable("the kernel's side is recorded of a command only, not of a process that runs")
    try:
        kernel_side.start(child.pid, command)
        yield kernel_records
    finally:
        kernel_records.extend(kernel_side.stop())


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


def _header(
    command: Sequence[str], child: Child | None, attached: Sequence[int], how: Record, kernel_side: KernelSide | None
) -> Record:
    system = os.uname()
    header: Record = {
        "schema": SCHEMA,
        "type": "header",
        "command": list(command),
        "arch": system.machine,
        "clock": "CLOCK_MONOTONIC",
        "release": system.release,
        "start": time.monotonic_ns(),
        **how,
        **({} if kernel_side is None else kernel_side.header()),
    }
    if child is not None:
        header["pid"] = child.pid
    if attached:
        header["attached"] = list(attached)
    return header


def _exit_status(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code
