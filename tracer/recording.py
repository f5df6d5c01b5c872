"""Makes records of what the event loop reports: the decoders' caller."""

from __future__ import annotations

import os
import time

from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Iterable
from tracer.call_sets import LEFT_OUT_PATHS, MODULE_CALLS, CallSet, left_out_calls
from tracer.decode import names
from tracer.decode.tables.architectures import BY_AUDIT
from tracer.ptrace.binding import SyscallInfo
from tracer.ptrace.tracee import PlainCall, RawCall, ReturnedCall
from tracer.record_types import Record, Sink

if TYPE_CHECKING:
    from tracer.call_plans import Plan, Task
    from tracer.decode import signature
    from tracer.kernel_side import KernelSide
    from tracer.ptrace.observer import Begin


#: What a kernel side shows of the command's tasks.
_OF_ITS_TASKS = frozenset(("kernel_call", "kernel_event"))
#: Is given calls to be shown by `text_of_call`.
TextSink = Callable[[ReturnedCall], None]


def text_of_call(call: ReturnedCall) -> str:
    """Return the line of a call that a `TextSink` got."""
    plan: Plan = call[0][0]
    return plan.lines.get(call) or _new_text(plan, call)


def _new_text(plan: Plan, call: ReturnedCall) -> str:
    assert plan.text is not None  # noqa: S101 - which is how the call came to be a plain one
    return plan.text.line(call)


class Recording:
    """Makes records of what the event loop reports."""

    def __init__(
        self,
        sink: Sink,
        calls: CallSet,
        kernel_side: KernelSide | None,
        data_limit: int,
        text_sink: TextSink | None = None,
    ) -> None:
        """`text_sink`: see `tracer.recorder.record`."""
        self._sink = sink
        self._calls = calls
        self._kernel_side = kernel_side
        self._data_limit = data_limit
        self._kept: list[Record] = []
        self._emit: Sink = sink if kernel_side is None else self._kept.append
        self._tasks: dict[int, Task] = {}
        self._plans: dict[tuple[int, int], Plan] = {}
        self._left_out_calls = left_out_calls(calls)
        self._task_class: type[Task]
        self._text_only = text_sink is not None
        # With a kernel side all come at the end, in the order of their time.
        self._text_sink = text_sink if kernel_side is None else None
        #: How many calls were left out, by name; None when that was not asked for.
        self._left_out: dict[str, int] | None = {} if self._left_out_calls else None
        self._native = names.machine_architectures(os.uname().machine)[0].audit
        #: Calls that must stop for the kernel side's sake, recorded or not.
        self.hooked: frozenset[str] = frozenset() if kernel_side is None else MODULE_CALLS

    def entered(self, call: RawCall) -> bool:
        """Decode a call's input; return whether its output matters."""
        plan = self._plans.get((call.arch, call.number)) or self._new_plan(call)
        call.plan = plan
        call.name = plan.name
        if plan.recorded:
            decoded = call.decoded = plan.decoder.entry(self._task(call), call.arguments)
            if plan.left_out and self._leave_out(plan.name, decoded):
                return False
        if plan.hooked and self._kernel_side is not None:
            self._kernel_side.at_module_call("entry", call)
        return plan.recorded or plan.hooked

    def beginning(self, arch: int, number: int) -> Begin:
        """Return what to do at the begin of such calls; the first of them was `entered`."""
        plan = self._plans[arch, number]
        arguments_in, entered = SyscallInfo.arguments_in(6), self.entered

        def begin(pid: int, view: memoryview) -> RawCall | None:
            call = RawCall(pid, arch, number, arguments_in(view))
            return call if entered(call) else None

        return begin if plan.text is None else plan.text.beginning(plan, begin)

    @property
    def returned(self) -> TextSink:
        """The sink of plain calls, which are made only where a text sink wants them."""
        return self._text_sink or list[ReturnedCall]().append

    def raw_call_of(self, plain: PlainCall) -> RawCall:
        """Return the raw call of a plain one, as `entered` would have made it."""
        plan, pid, arguments, strings = plain
        call = RawCall(pid, plan.arch, plan.number, arguments)
        call.plan, call.name = plan, plan.name
        call.decoded = plan.text.arguments(pid, arguments, strings)
        return call

    def left(self, call: RawCall) -> None:
        """Decode a call's output, and record it."""
        plan: Plan = call.plan
        if plan.recorded:
            self._emit(self._syscall(call, plan))
        if plan.hooked and self._kernel_side is not None and call.end is not None:
            self._kernel_side.at_module_call("exit", call)

    def executed(self, pid: int, t: int, call: RawCall | None) -> None:
        """Record which program a task now runs: argv as that program gets it, `filename` as execve got it."""
        self._tasks.pop(pid, None)
        if self._text_only:  # strace has no line for it
            return
        from tracer.decode.values import program

        path, arguments = program(pid)
        record: Record = {"type": "exec", "t": t, "pid": pid, "path": path, "argv": arguments}
        if call is not None and "pathname" in call.decoded:
            record["filename"] = call.decoded["pathname"]
        self._emit(record)

    def signalled(self, pid: int, t: int, number: int, information: bytes | None) -> None:
        """Record the delivery of a signal."""
        record: Record = {"type": "signal", "t": t, "pid": pid, "signal": _signal_name(number)}
        if information is not None:
            from tracer.decode.kinds.siginfo import siginfo

            record["siginfo"] = siginfo(information)
        self._emit(record)

    def stopped(self, pid: int, t: int, number: int) -> None:
        """Record a group-stop."""
        self._emit({"type": "stopped", "t": t, "pid": pid, "signal": _signal_name(number)})

    def superseded(self, pid: int, t: int, by: int) -> None:
        """Record that a thread's execve made it the leader."""
        self._tasks.pop(by, None)
        self._emit({"type": "superseded", "t": t, "pid": pid, "by": by})

    def ended(self, pid: int, t: int, wait_status: int) -> None:
        """Record the end of a task."""
        self._tasks.pop(pid, None)
        code = os.waitstatus_to_exitcode(wait_status)
        record: Record = {"type": "exit", "t": t, "pid": pid}
        if code < 0:
            record["signal"] = _signal_name(-code)
            record["core_dumped"] = os.WCOREDUMP(wait_status)
        else:
            record["status"] = code
        self._emit(record)

    def finish(self, kernel_records: Iterable[Record], status: int) -> None:
        """Give what was kept to the sink, both sides in the order of their time, and the end."""
        # Until it executes the command, the child is our own: what the kernel did then, for a filter of ours, say,
        # is none of the command's.
        begun = min((int(record["t"]) for record in self._kept), default=0)
        seen = (one for one in kernel_records if int(one["t"]) >= begun or one["type"] not in _OF_ITS_TASKS)
        for record in sorted([*self._kept, *seen], key=lambda each: int(each["t"])):
            self._sink(record)
        end: Record = {"type": "end", "t": time.monotonic_ns(), "status": status}
        if self._left_out is not None:
            end["left_out"] = self._left_out
        self._sink(end)

    def _leave_out(self, name: str, decoded: dict[str, Any]) -> bool:
        """Count a read from a file of the kernel's; return whether it is one."""
        path = decoded["fd"]["path"] if "fd" in decoded else None
        if self._left_out is None or path is None or not path.startswith(LEFT_OUT_PATHS):
            return False
        self._left_out[name] = self._left_out.get(name, 0) + 1
        return True

    def _syscall(self, call: RawCall, plan: Plan) -> Record:
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
        if call.marks:
            record |= dict.fromkeys(call.marks, True)
        if result is None:
            return record
        if call.failed:
            record["return"] = None if names.is_restart(-result) else -1
            record["errno"] = names.errno_symbol(-result)
            if record["errno"] == "ERESTART_RESTARTBLOCK":
                self._task(call).interrupted = plan.name
        self._decode_output(call, plan.decoder, result, record)
        return record

    def _decode_output(self, call: RawCall, decoder: signature.Plan, result: int, record: Record) -> None:
        if call.failed or "injected" in call.marks:  # the kernel has filled no buffer and opened no file
            if decoder.exit_failed is not None:
                decoder.exit_failed(self._task(call), call.arguments, result, call.decoded)
            return
        if decoder.exit is not None:
            decoder.exit(self._task(call), call.arguments, result, call.decoded)
        if decoder.returns_descriptor is not None and decoder.returns_descriptor(call.arguments):
            record["return_path"] = self._task(call).link(f"fd/{result}")

    def _new_plan(self, call: RawCall) -> Plan:
        from tracer import call_plans

        full = not self._text_only or self._left_out_calls
        self._task_class = call_plans.Task if full else call_plans.TaskForText
        name = names.call_names(call.arch).get(call.number, f"syscall_{call.number:#x}")
        arch = _architecture(call.arch)
        recorded = self._calls is None or name in self._calls
        plain = recorded and self._text_sink is not None and name not in self._left_out_calls
        text = call_plans.call_text(name, arch) if plain else None
        plan = self._plans[call.arch, call.number] = call_plans.Plan(
            (call.arch, call.number),
            name,
            call_plans.plan_of(name, arch) if recorded else call_plans.NOTHING,
            text,
            recorded=recorded,
            hooked=name in self.hooked,
            left_out=name in self._left_out_calls,
            foreign=None if call.arch == self._native else arch,
        )
        return plan

    def _task(self, call: RawCall) -> Task:
        task = self._tasks.get(call.pid)
        if task is None:
            task = self._tasks[call.pid] = self._task_class(call.pid, _architecture(call.arch), self._data_limit)
        return task


def _architecture(audit: int) -> str:
    return BY_AUDIT[audit].name if audit in BY_AUDIT else hex(audit)


def _signal_name(number: int) -> str:
    from tracer.decode.kinds.numbers import signal_symbol

    return str(signal_symbol(number))
