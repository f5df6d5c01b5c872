"""What each stop of a task means, but for those that a trace has most of: see `loop` (ptrace(2), "Stopped states")."""

from __future__ import annotations

import time

from pyinsmod.lean import TYPE_CHECKING, Mapping, signals
from tracer.ptrace import binding
from tracer.ptrace.changes import Changing
from tracer.ptrace.seccomp import Installers, installs_filter
from tracer.ptrace.tracee import Interest, PlainCall, RawCall, Tracee

if TYPE_CHECKING:
    from tracer.ptrace.observer import Begin, Observer

#: The lower byte of a stopped task's wait status.
STOPPED = 0x7F
_SYSCALL_STOP = (signals.SIGTRAP | 0x80) << 8 | STOPPED
#: Wait statuses of stops at a call: at its begin or end, or by a filter.
CALL_STOPS = frozenset((_SYSCALL_STOP, binding.EVENT_SECCOMP << 16 | signals.SIGTRAP << 8 | STOPPED))
_ENTRIES = (binding.INFO_ENTRY, binding.INFO_SECCOMP)
_BIRTHS = frozenset((binding.EVENT_FORK, binding.EVENT_VFORK, binding.EVENT_CLONE))

#: How a task goes on: ptrace's request, and the signal that it gets.
GoingOn = tuple[int, int]
#: To the next begin or end of a call.
EVERY_CALL: GoingOn = (binding.SYSCALL, 0)


class Stops:
    """Keeps the tasks that are traced, and tells an observer what their stops mean."""

    def __init__(
        self,
        observer: Observer,
        *,
        before_exec: Interest,
        interest: Interest,
        filtered: Mapping[int, Installers] | None = None,
    ) -> None:
        """`before_exec` holds until the command's own program runs, `interest` from then on.

        `filtered`: the command installs a filter of `seccomp` before it executes; the calls that would put
        another one before it. Without it every call stops.
        """
        #: Calls that are not left to the kernel alone.
        self.changing = Changing()
        self._observer = observer
        self._before_exec = before_exec
        self._interest = interest
        self._tracees: dict[int, Tracee] = {}
        self._ended_unannounced: set[int] = set()
        self._info = binding.SyscallInfo()
        self._installers = filtered or {}
        #: How a task goes on that is in no call of interest.
        self._between_calls: GoingOn = EVERY_CALL if filtered is None else (binding.CONT, 0)
        self._beginnings: dict[tuple[int, int], Begin] = {}
        self._command_pid = 0
        self._command_status = 0
        self._has_attached = False
        self._leaving = False

    def _adopt(self, pid: int) -> Tracee:
        """Take in a child whose first stop comes before its parent's event."""
        tracee = self._tracees[pid] = Tracee(pid, self._interest, announced=False)
        tracee.beginnings = self._beginnings
        return tracee

    def _stopped(self, pid: int, status: int) -> GoingOn | None:
        """Deal with any stop but the begin of a call and the end of a plain one, and with a task's end."""
        now = time.monotonic_ns()
        if status & 0xFF != STOPPED:
            if pid:
                self._end(pid, now, status)
            return None
        tracee = self._tracees.get(pid) or self._adopt(pid)
        if status in CALL_STOPS:
            if tracee.skipping:
                tracee.skipping = status != _SYSCALL_STOP  # the filter's stop is not the end yet
                return self._between_calls
            return self._at_call(tracee, now) if self._info.read(pid) else None
        self._make_raw(tracee)
        if not status >> 16:
            self._observer.signalled(pid, now, status >> 8, binding.signal_information(pid))
            return self._going_on(tracee, status >> 8)
        if self._at_event(tracee, now, status >> 16, status >> 8 & 0xFF):
            self._observer.stopped(pid, now, status >> 8 & 0xFF)
            binding.ptrace(binding.LISTEN, pid)
            return None
        return self._going_on(tracee, 0)

    def _at_call(self, tracee: Tracee, now: int = 0) -> GoingOn | None:
        """Deal with what the kernel just told of a stop at a call, if it is a call's begin or end."""
        self._make_raw(tracee)
        kind, result, failed = self._info.result_in(self._info.view)
        if kind == binding.INFO_EXIT:
            self._leave_call(tracee, now or time.monotonic_ns(), result, failed=failed != 0)
        # Where every call stops, it stops again when it comes to a filter.
        elif kind in _ENTRIES and tracee.call is None and tracee.effect is None:
            self._enter_call(tracee, self._info.said())
        return self._going_on(tracee, 0)

    def _make_raw(self, tracee: Tracee) -> None:
        """Make a raw call of the plain one that a task is in, if it is: something else comes than its end."""
        if tracee.plain is not None:
            tracee.call, tracee.plain = self._observer.raw_call_of(tracee.plain), None

    def _going_on(self, tracee: Tracee, deliver: int) -> GoingOn | None:
        """Return how a task goes on, with the signal `deliver`; None for one that is held back."""
        # From the entry of a call of interest SYSCALL leads to its exit, with or without a filter (the
        # filter's stop comes after the entry's since Linux 4.8; PTRACE_GET_SYSCALL_INFO is from 5.3).
        in_call = tracee.call is not None or tracee.effect is not None
        request = binding.SYSCALL if in_call else self._between_calls[0]
        if self.changing.aside is not None:
            deliver = self.changing.aside.signal
            if self.changing.hold(tracee, request):
                return None
        return request, deliver

    def _begun(self, tracee: Tracee, call: PlainCall | RawCall | None) -> GoingOn:
        """Note what a `Begin` made of a call: a raw call, to be followed to its end, or None for one of no interest."""
        if not isinstance(call, RawCall):
            tracee.skipping = self._between_calls is EVERY_CALL
            return self._between_calls
        tracee.call = call
        call.t = time.monotonic_ns()
        return EVERY_CALL

    def _enter_call(self, tracee: Tracee, said: tuple[int, ...]) -> None:
        arch, number = said[1], said[2]
        if said[0] == binding.INFO_SECCOMP and self._between_calls is not EVERY_CALL:
            self._mind_filters(arch, number, said[3])
        change = self.changing.table.get((arch, number))
        wanted = tracee.interest.get(arch)
        call = None
        if wanted is None or number in wanted:
            call = RawCall(tracee.pid, arch, number, said[3:])
            call = call if self._observer.entered(call) else None
            if change is None and tracee.interest is self._interest and not self._may_install(arch, number):
                self._beginnings[arch, number] = self._observer.beginning(arch, number)
        if change is not None:
            self.changing.begin(tracee, change, said[3:])
        if call is not None:
            tracee.call = call
            call.t = time.monotonic_ns()
        else:
            tracee.skipping = tracee.effect is None and self._between_calls is EVERY_CALL

    def _leave_call(self, tracee: Tracee, now: int, result: int, *, failed: bool) -> None:
        call = tracee.call
        if call is not None:
            tracee.call = None
            call.end, call.result, call.failed = now, result, failed
        if tracee.effect is not None:
            self.changing.finish(tracee, tracee.effect, call, result)
        if call is not None:
            self._observer.left(call)

    def _mind_filters(self, arch: int, number: int, first_argument: int) -> None:
        """From a task's own filter on, stop at every call: that filter can refuse calls before ours sees them."""
        installers = self._installers.get(arch)
        if installers is not None and installs_filter(number, first_argument, installers):
            self._between_calls = EVERY_CALL

    def _may_install(self, arch: int, number: int) -> bool:
        """Whether a call of this number may be one that gives its task a filter of its own."""
        return any(number in numbers for numbers in self._installers.get(arch, ()))

    def _at_event(self, tracee: Tracee, now: int, event: int, number: int) -> bool:
        """Deal with a stop that is neither a system call's nor a signal's; return whether the task stays stopped."""
        if event == binding.EVENT_STOP:
            # A group-stop names the stopping signal; LISTEN keeps the task stopped until SIGCONT. SIGTRAP:
            # a child's first stop, or the end of a group-stop.
            return number != signals.SIGTRAP
        if event == binding.EVENT_EXEC:
            self._executed(tracee, now)
        elif event in _BIRTHS:
            self._announce(tracee, binding.event_message(tracee.pid))
        return False

    def _announce(self, parent: Tracee, pid: int) -> None:
        """Note a child that must still come to its first stop; it may have come, and even gone, already."""
        if pid in self._ended_unannounced:
            self._ended_unannounced.discard(pid)
        elif pid:
            child = self._tracees.get(pid) or self._adopt(pid)
            child.announced = True
            child.own_affinity = parent.own_affinity

    def _executed(self, tracee: Tracee, now: int) -> None:
        """Give a thread that executes its leader's pid, as the kernel does (ptrace(2))."""
        former = self._tracees.pop(binding.event_message(tracee.pid), tracee)
        if former is not tracee:
            self._make_raw(tracee)
            self._make_raw(former)
            if tracee.call is not None:
                self._observer.left(tracee.call)
            self._observer.superseded(tracee.pid, now, former.pid)
            tracee.call, tracee.skipping = former.call, former.skipping
            tracee.effect, tracee.own_affinity = former.effect, former.own_affinity
        else:
            self._tracees[tracee.pid] = tracee
        tracee.interest, tracee.beginnings = self._interest, self._beginnings
        self._observer.executed(tracee.pid, now, tracee.call)

    def _end(self, pid: int, now: int, status: int) -> None:
        tracee = self._tracees.pop(pid, None)
        if tracee is None:
            self._ended_unannounced.add(pid)
            return
        self.changing.forget(tracee)
        self._make_raw(tracee)
        if not tracee.announced:
            self._ended_unannounced.add(pid)
        if tracee.call is not None:
            self._observer.left(tracee.call)
        if pid == self._command_pid:
            self._command_status = status
            self._leaving = self._has_attached
        self._observer.ended(pid, now, status)
