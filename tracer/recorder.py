"""Record a command: the one place that puts event loop, decoders and the kernel's side together."""

from __future__ import annotations

import gc
import os
import time

from pyinsmod.lean import TYPE_CHECKING, Iterator, Literal, Mapping, Sequence, contextmanager, nullcontext
from tracer.call_sets import MODULE_LOADING, CallSet, described
from tracer.decode import names
from tracer.errors import Interrupted, KernelSideUnavailable
from tracer.ptrace import child as ptrace_child
from tracer.ptrace import seccomp
from tracer.ptrace.affinity import GETTER, SETTER, AffinityAsked, AffinitySet, Pinned, one_cpu
from tracer.ptrace.changes import Change, Changes, joined
from tracer.ptrace.child import Child
from tracer.ptrace.giving_way import giving_way
from tracer.ptrace.interrupts import interrupts
from tracer.ptrace.loop import Loop
from tracer.ptrace.seccomp import Installers
from tracer.ptrace.tracee import Interest
from tracer.record_types import SCHEMA, Record, Sink
from tracer.recording import Recording, TextSink

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

    The status is 128 + signal when a signal killed the command. Without a kernel side records come as the
    calls complete, and nothing is kept in memory; with one, all come at the end, in the order of their
    time. All children of this process are waited for meanwhile, also those that are none of the trace's.

    `attach`: processes that run already, to be traced too, or without any command (then it is empty, and the
    status 0). They are neither pinned nor filtered, and go on unharmed when the trace ends: with the command,
    or on SIGINT, SIGQUIT, SIGTERM or SIGHUP when there is none, or when this process is killed.

    `inject`: faults put into calls, which are recorded even when they are not in `calls`; of several for one
    call the last holds.

    `text_sink`: only strace's text of the records is wanted (`tracer.strace_text`). They have no paths of
    descriptors and no hashes, and simple calls do not become records: they go there, to be shown by
    `tracer.recording.text_of_call`, in their order among the records. All of this saves time.

    Raises:
        CommandNotStarted: the command cannot be executed; the trace then has the attempt and an end.
        Interrupted: SIGTERM or SIGHUP came while a command was traced.
        KernelSideUnavailable: from `kernel_side`, before the command was executed.
        NotAttached: one of `attach` cannot be traced, or no command; nothing is.
        PtraceFailed: the kernel refused something later.
        UnknownArchitecture, UnknownCall: no tables for this machine, or a name in `calls` that they lack.
    """
    architectures = [architecture.audit for architecture in names.machine_architectures(os.uname().machine)]
    calls = _with_injected(calls, inject)
    recording = Recording(sink, calls, kernel_side, data_limit, text_sink)
    pinning = bool(command) and not attach and pin == "auto"
    filtering = bool(command) and not attach and stops == "auto" and not any(fault.effect.signal for fault in inject)
    setup = _Setup(architectures, None if calls is None else calls | recording.hooked, pinned=pinning)
    program = setup.filter_program() if filtering else None
    loop = Loop(
        recording,
        before_exec=setup.interest_in(frozenset(("execve",))),
        interest=setup.interest_in(setup.calls),
        filtered=None if program is None else setup.installers,
    )
    ending = _Ending(loop)
    # As late as can be: what is done from here until it executes has each page of memory copied.
    child = ptrace_child.start(command, cwd=cwd, env=env, program=program) if command else None
    try:
        with (
            interrupts(None, ending) if child is None else nullcontext(),
            _attached(loop, attach),
            _started(kernel_side, child, command) as kernel_records,
            one_cpu(child.pid if child else 0, wanted=pinning) as pinned,
            _no_garbage_collection(),
        ):
            loop.changing.table = joined(_changes(inject, architectures), setup.unseen(pinned, loop))
            stopping = "syscall" if program is None else "seccomp"
            how: Record = {"calls": described(calls), "pinned_to_cpu": pinned and pinned.cpu, "stops": stopping}
            if inject:
                how["inject"] = [fault.text for fault in inject]
            if kernel_side is not None:
                how |= kernel_side.header()
            sink(_header(command, child, attach, how))
            with giving_way(pinned, loop.tracees):
                status = _exit_status(_run(loop, child, ending))
        recording.finish(kernel_records, status)
    except BaseException:
        if child is not None:
            child.abandon()
        raise
    if child is not None:
        child.check_started()
    return status


class _Setup:
    """Which calls stop, worked out for each architecture that the machine's processes can have."""

    def __init__(self, architectures: Sequence[int], calls: CallSet, *, pinned: bool) -> None:
        self.calls = calls
        self._architectures = architectures
        #: Calls that would show a task that it is pinned.
        self._telling = frozenset((GETTER, SETTER)) if pinned else frozenset()
        self.installers = {
            audit: Installers(*(names.call_numbers(frozenset((name,)), audit) for name in Installers._fields))
            for audit in architectures
        }

    def interest_in(self, calls: CallSet) -> Interest:
        """Return the numbers of calls."""
        return {audit: None if calls is None else names.call_numbers(calls, audit) for audit in self._architectures}

    def filter_program(self) -> bytes | None:
        """Return a seccomp filter for the calls that must stop; None where none may be installed, or all do."""
        if self.calls is None or not seccomp.permitted():
            return None
        return seccomp.filter_program(self.interest_in(self.calls | self._telling), self.installers)

    def unseen(self, pinned: Pinned | None, loop: Loop) -> Changes:
        """Return what hides from the tasks of `loop` that they are pinned."""
        if pinned is None:
            return {}
        changed: dict[str, Change] = {GETTER: AffinityAsked(pinned, loop.tracees), SETTER: AffinitySet(loop.tracees)}
        return {
            (audit, number): change
            for audit in self._architectures
            for name, change in changed.items()
            for number in names.call_numbers(frozenset((name,)), audit)
        }


def _with_injected(calls: CallSet, inject: Sequence[Fault]) -> CallSet:
    """Return `calls` with those that faults are injected into; UnknownCall for a name that is none."""
    injected: CallSet = frozenset()
    if inject:
        from tracer.injections import injected_calls

        injected = injected_calls(inject)
    for wanted in (calls, injected):
        if wanted:
            names.check_call_names(wanted, os.uname().machine)
    return None if calls is None or injected is None else calls | injected


def _changes(inject: Sequence[Fault], architectures: Sequence[int]) -> Changes:
    if not inject:
        return {}
    from tracer.injections import changes

    return changes(inject, architectures)


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
def _started(kernel_side: KernelSide | None, child: Child | None, command: Sequence[str]) -> Iterator[list[Record]]:
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


def _header(command: Sequence[str], child: Child | None, attached: Sequence[int], how: Record) -> Record:
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
    }
    if child is not None:
        header["pid"] = child.pid
    if attached:
        header["attached"] = list(attached)
    return header


def _exit_status(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code
