"""Record a command: the one place that puts event loop, decoders and the kernel's side together."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

from tracer import decode
from tracer.call_sets import MODULE_LOADING, CallSet, described
from tracer.decode import names
from tracer.decode.modules import MODULE_CALLS
from tracer.decode.tables.architectures import BY_AUDIT
from tracer.decode.values import Task
from tracer.escapes import escaped
from tracer.kernel_side import KernelSide
from tracer.ptrace import child as ptrace_child
from tracer.ptrace.child import Child
from tracer.ptrace.interrupts import interrupts
from tracer.ptrace.loop import Interest, Loop
from tracer.ptrace.one_cpu import one_cpu
from tracer.ptrace.tracee import RawCall
from tracer.records import SCHEMA, Record

Sink = Callable[[Record], None]
Pinning = Literal["auto", "never"]

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
    child = ptrace_child.start(command, cwd=cwd, env=env)
    try:
        recording = _Recording(sink, calls, kernel_side, data_limit)
        loop = Loop(
            recording,
            before_exec=_interest(frozenset(("execve",)), architectures),
            interest=_interest(None if calls is None else calls | recording.hooked, architectures),
        )
        with (
            _started(kernel_side, child.pid, command) as kernel_records,
            one_cpu(child.pid, wanted=pin == "auto") as cpu,
        ):
            sink(_header(command, child.pid, calls, cpu))
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


def _header(command: Sequence[str], pid: int, calls: CallSet, cpu: int | None) -> Record:
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
    }


def _exit_status(wait_status: int) -> int:
    code = os.waitstatus_to_exitcode(wait_status)
    return 128 - code if code < 0 else code


class _Plan(NamedTuple):
    """What is to be done at the stops of one call: looked up once for each number."""

    name: str
    decoder: decode.Decoder
    recorded: bool
    hooked: bool
    #: The architecture's name when it is not the machine's own.
    foreign: str | None


class _Recording:
    """Makes records of what the event loop reports."""

    def __init__(self, sink: Sink, calls: CallSet, kernel_side: KernelSide | None, data_limit: int) -> None:
        self._sink = sink
        self._calls = calls
        self._kernel_side = kernel_side
        self._data_limit = data_limit
        self._kept: list[Record] = []
        self._emit: Sink = sink if kernel_side is None else self._kept.append
        self._tasks: dict[int, Task] = {}
        self._plans: dict[tuple[int, int], _Plan] = {}
        self._native = names.machine_architectures(os.uname().machine)[0].audit
        #: Calls that must stop for the kernel side's sake, recorded or not.
        self.hooked: frozenset[str] = frozenset() if kernel_side is None else MODULE_CALLS

    def entered(self, call: RawCall) -> None:
        """Decode a call's input."""
        plan = self._plan(call)
        call.name = plan.name
        if plan.recorded:
            call.decoded = plan.decoder.entry(self._task(call), call.arguments)
        if plan.hooked and self._kernel_side is not None:
            self._kernel_side.at_module_call("entry", call)

    def left(self, call: RawCall) -> None:
        """Decode a call's output, and record it."""
        plan = self._plan(call)
        if plan.recorded:
            self._emit(self._syscall(call, plan))
        if plan.hooked and self._kernel_side is not None and call.end is not None:
            self._kernel_side.at_module_call("exit", call)

    def executed(self, pid: int, t: int, call: RawCall | None) -> None:
        """Record which program a task now runs: argv as that program gets it, `filename` as execve got it."""
        self._tasks.pop(pid, None)
        path = Task(pid, "", 0).link("exe")
        record: Record = {"type": "exec", "t": t, "pid": pid, "path": path, "argv": _arguments(pid)}
        if call is not None and "pathname" in call.decoded:
            record["filename"] = call.decoded["pathname"]
        self._emit(record)

    def signalled(self, pid: int, t: int, number: int) -> None:
        """Record the delivery of a signal."""
        self._emit({"type": "signal", "t": t, "pid": pid, "signal": names.signal_name(number)})

    def ended(self, pid: int, t: int, wait_status: int) -> None:
        """Record the end of a task."""
        self._tasks.pop(pid, None)
        code = os.waitstatus_to_exitcode(wait_status)
        how = {"signal": names.signal_name(-code)} if code < 0 else {"status": code}
        self._emit({"type": "exit", "t": t, "pid": pid, **how})

    def finish(self, kernel_records: Iterable[Record], status: int) -> None:
        """Give what was kept to the sink, both sides in the order of their time, and the end."""
        for record in sorted([*self._kept, *kernel_records], key=lambda each: int(each["t"])):
            self._sink(record)
        self._sink({"type": "end", "t": time.monotonic_ns(), "status": status})

    def _syscall(self, call: RawCall, plan: _Plan) -> Record:
        result = call.result
        record: Record = {
            "type": "syscall",
            "t": call.t,
            "duration": None if call.end is None else call.end - call.t,
            "pid": call.pid,
            "name": plan.name,
            "args": call.decoded,
            "return": result,
            "errno": None,
        }
        if plan.foreign is not None:
            record["arch"] = plan.foreign
        if result is None:
            return record
        if call.failed:
            record["return"] = None if names.is_restart(-result) else -1
            record["errno"] = names.errno_symbol(-result)
            return record
        if plan.decoder.exit is not None:
            plan.decoder.exit(self._task(call), call.arguments, result, call.decoded)
        if plan.decoder.returns_descriptor:
            record["return_path"] = self._task(call).link(f"fd/{result}")
        return record

    def _plan(self, call: RawCall) -> _Plan:
        key = (call.arch, call.number)
        plan = self._plans.get(key)
        if plan is None:
            name = names.call_names(call.arch).get(call.number, f"syscall_{call.number:#x}")
            plan = self._plans[key] = _Plan(
                name,
                decode.decoder_of(name, _architecture(call.arch)),
                recorded=self._calls is None or name in self._calls,
                hooked=name in self.hooked,
                foreign=None if call.arch == self._native else _architecture(call.arch),
            )
        return plan

    def _task(self, call: RawCall) -> Task:
        task = self._tasks.get(call.pid)
        if task is None:
            task = self._tasks[call.pid] = Task(call.pid, _architecture(call.arch), self._data_limit)
        return task


def _architecture(audit: int) -> str:
    return BY_AUDIT[audit].name if audit in BY_AUDIT else hex(audit)


def _arguments(pid: int) -> list[str]:
    """Return argv as the program just executed has it (proc(5), cmdline): a script's has its interpreter."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:  # noqa: PTH123  (per exec: a Path costs more)
            data = stream.read()
    except OSError:
        return []
    return [escaped(argument) for argument in data.removesuffix(b"\0").split(b"\0")] if data else []
