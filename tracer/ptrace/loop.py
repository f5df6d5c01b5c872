"""The event loop: wait for a task's stop, say what it means, let it go on (ptrace(2), "Stopped states").

It runs once or twice for every system call of interest, without a filter (see `seccomp`) twice for every call
of every traced task. So the common way through `run` is kept flat, and a call of no interest costs one look
at its number.
"""

from __future__ import annotations

import os
import time

from pyinsmod.lean import TYPE_CHECKING, Iterable, Mapping, signals, suppress
from tracer.ptrace import attach, binding
from tracer.ptrace.changes import Changing
from tracer.ptrace.seccomp import Installers, installs_filter
from tracer.ptrace.tracee import Interest, PlainCall, RawCall, Tracee

if TYPE_CHECKING:
    from tracer.ptrace.observer import Begin, Observer

_STOPPED = 0x7F
_SYSCALL_STOP = (signals.SIGTRAP | 0x80) << 8 | _STOPPED
_CALL_STOPS = frozenset((_SYSCALL_STOP, binding.EVENT_SECCOMP << 16 | signals.SIGTRAP << 8 | _STOPPED))
#: Results up to here are no program's to see: its call is restarted (<linux/errno.h>).
_LAST_RESTART = -512
_EXIT, _SECCOMP = binding.INFO_EXIT, binding.INFO_SECCOMP
_ASK, _ANY_CHILD = binding.GET_SYSCALL_INFO, binding.WALL
_ENTRIES = (binding.INFO_ENTRY, binding.INFO_SECCOMP)
_BIRTHS = frozenset((binding.EVENT_FORK, binding.EVENT_VFORK, binding.EVENT_CLONE))

#: How a task goes on: ptrace's request, and the signal that it gets.
GoingOn = tuple[int, int]
#: To the next begin or end of a call.
_EVERY_CALL: GoingOn = (binding.SYSCALL, 0)


class _Left(Exception):
    """The loop was asked to end while it waited."""


class Loop:
    """Follows a command, or processes that ran already, and all their descendants, until none is left."""

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
        self._between_calls: GoingOn = _EVERY_CALL if filtered is None else (binding.CONT, 0)
        self._beginnings: dict[tuple[int, int], Begin] = {}
        self._command_pid = 0
        self._command_status = 0
        self._has_attached = False
        self._leaving = False
        self._waiting = False

    @property
    def tracees(self) -> Mapping[int, Tracee]:
        """The tasks traced now, by id."""
        return self._tracees

    def attach(self, pids: Iterable[int]) -> None:
        """Follow processes that run already; when there is a command, too, the loop ends with it.

        Raises:
            NotAttached: one of them cannot be traced; then none is.
        """
        for pid in attach.seize_all(pids):
            self._tracees[pid] = Tracee(pid, self._interest, announced=True, beginnings=self._beginnings)
        self._has_attached = True

    def run(self, command: int | None = None) -> int:  # noqa: C901  (flat: see above)
        """Trace to the end, or until `leave`; return the wait status (wait(2)) of the command, 0 without one.

        `command` is seized and resumed.
        """
        if command is not None:
            self._command_pid = command
            self._tracees[command] = Tracee(command, self._before_exec, announced=True, beginnings={})
        tracees, changing, info = self._tracees, self.changing, self._info
        waitpid, ptrace, returned = os.waitpid, binding.swift_ptrace, self._observer.returned
        size, address, view, call_in, result_in = info.size, info.address, info.view, info.call_in, info.result_in
        # A condition here would not do: Python 3.11 counts no such loops, and would never make this one quick
        # (PEP 659).
        while True:
            if not tracees or (self._leaving and self._may_leave()):
                break
            try:
                self._waiting = True
                pid, status = changing.wait(now=self._leaving) if changing.held else waitpid(-1, _ANY_CHILD)
                self._waiting = False
            except ChildProcessError:  # whoever else waits in this process took the last one
                break
            except _Left:
                continue
            tracee = tracees.get(pid)
            if (
                tracee is None
                or status not in _CALL_STOPS
                or (tracee.plain is None and (tracee.call is not None or tracee.skipping or tracee.effect is not None))
            ):
                going_on = self._stopped(pid, status)
            elif ptrace(_ASK, pid, size, address) < 0 and not info.read(pid):
                continue
            # The kernel says itself whether a call begins or ends.
            elif (plain := tracee.plain) is not None:
                kind, result, failed = result_in(view)
                if kind == _EXIT and result > _LAST_RESTART:
                    tracee.plain = None
                    returned((plain, result, failed))
                    going_on = self._between_calls
                else:
                    going_on = self._at_call(tracee)
            else:
                kind, arch, number = call_in(view)
                begin = tracee.beginnings.get((arch, number))
                if begin is None or kind == _EXIT:
                    going_on = self._at_call(tracee)
                elif (begun := begin(pid, view)).__class__ is tuple:
                    tracee.plain, going_on = begun, _EVERY_CALL
                else:
                    going_on = self._begun(tracee, begun)
            if going_on is not None and ptrace(going_on[0], pid, 0, going_on[1]) < 0:
                binding.ptrace(going_on[0], pid, 0, going_on[1])
        self._waiting = False
        return self._command_status

    def leave(self) -> None:
        """Have `run` return once the stop at hand is dealt with; for signal handlers.

        Only a wait is broken off. Should a stop just be reported there, nothing is lost: `let_go` asks the
        kernel itself what a task stands at.
        """
        self._leaving = True
        if self._waiting:
            self._waiting = False
            raise _Left

    def let_go(self) -> list[int]:
        """Detach from every task; return those that would not stop: the kernel frees them with this thread's end."""
        stuck = attach.let_go(self._tracees)
        for tracee in self._tracees.values():
            self._unhurried(tracee)
            if tracee.call is not None:
                tracee.call.marks += ("detached",)
                self._observer.left(tracee.call)
        self._tracees.clear()
        return stuck

    def kill(self) -> None:
        """Kill the command and its descendants and wait until all are gone.

        With attached processes among the tracees, which are not to be harmed, only the command itself is killed.
        """
        doomed = set(self._tracees)
        if self._has_attached:
            doomed &= {self._command_pid}
        for pid in doomed:
            _kill(pid)
        while doomed:
            try:
                pid, status = os.waitpid(-1, binding.WALL)
            except ChildProcessError:
                return
            if status & 0xFF != _STOPPED:
                doomed.discard(pid)
                self._tracees.pop(pid, None)
            elif pid in doomed or not self._has_attached:
                _kill(pid)
                binding.raw_ptrace(binding.CONT, pid, 0, 0)

    def _adopt(self, pid: int) -> Tracee:
        """Take in a child whose first stop comes before its parent's event."""
        tracee = self._tracees[pid] = Tracee(pid, self._interest, announced=False, beginnings=self._beginnings)
        return tracee

    def _stopped(self, pid: int, status: int) -> GoingOn | None:
        """Deal with any stop but the begin of a call and the end of a plain one, and with a task's end."""
        now = time.monotonic_ns()
        if status & 0xFF != _STOPPED:
            if pid:
                self._end(pid, now, status)
            return None
        tracee = self._tracees.get(pid) or self._adopt(pid)
        if status in _CALL_STOPS:
            if tracee.skipping:
                tracee.skipping = status != _SYSCALL_STOP  # the filter's stop is not the end yet
                return self._between_calls
            return self._at_call(tracee, now) if self._info.read(pid) else None
        self._unhurried(tracee)
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
        self._unhurried(tracee)
        kind, result, failed = self._info.result_in(self._info.view)
        if kind == _EXIT:
            self._leave_call(tracee, now or time.monotonic_ns(), result, failed=failed != 0)
        # Where every call stops, it stops again when it comes to a filter.
        elif kind in _ENTRIES and tracee.call is None and tracee.effect is None:
            self._enter_call(tracee, self._info.said())
        return self._going_on(tracee, 0)

    def _unhurried(self, tracee: Tracee) -> None:
        """Have the plain call that a task is in be one like any other: something else comes than its end."""
        if tracee.plain is not None:
            tracee.call, tracee.plain = self._observer.unhurried(tracee.plain), None

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
        """Note a call that is not plain, or that none is of interest, where nothing else is to be done."""
        if not isinstance(call, RawCall):
            tracee.skipping = self._between_calls is _EVERY_CALL
            return self._between_calls
        tracee.call = call
        call.t = time.monotonic_ns()
        return _EVERY_CALL

    def _enter_call(self, tracee: Tracee, said: tuple[int, ...]) -> None:
        arch, number = said[1], said[2]
        if said[0] == _SECCOMP and self._between_calls is not _EVERY_CALL:
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
            tracee.skipping = tracee.effect is None and self._between_calls is _EVERY_CALL

    def _leave_call(self, tracee: Tracee, now: int, result: int, *, failed: bool) -> None:
        call = tracee.call
        if call is not None:
            tracee.call = None
            call.end, call.result, call.failed = now, result, failed
        if tracee.effect is not None:
            self.changing.finish(tracee, tracee.effect, call, result)
        if call is not None:
            self._observer.left(call)

    def _may_leave(self) -> bool:
        """Whether no task is in a call of which it would get to see the half only."""
        effects = [tracee.effect for tracee in self._tracees.values() if tracee.effect is not None]
        return all(effect.result is None and effect.after is None for effect in effects)

    def _mind_filters(self, arch: int, number: int, first_argument: int) -> None:
        """From a task's own filter on, stop at every call: that filter can refuse calls before ours sees them."""
        installers = self._installers.get(arch)
        if installers is not None and installs_filter(number, first_argument, installers):
            self._between_calls = _EVERY_CALL

    def _may_install(self, arch: int, number: int) -> bool:
        """Whether a call of this number may be one that gives its task a filter of its own."""
        return any(number in numbers for numbers in self._installers.get(arch, ()))

    def _at_event(self, tracee: Tracee, now: int, event: int, number: int) -> bool:
        """Deal with any other stop than a system call's or a signal's; return whether the task stays stopped."""
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
            self._unhurried(tracee)
            self._unhurried(former)
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
        self._unhurried(tracee)
        if not tracee.announced:
            self._ended_unannounced.add(pid)
        if tracee.call is not None:
            self._observer.left(tracee.call)
        if pid == self._command_pid:
            self._command_status = status
            self._leaving = self._has_attached
        self._observer.ended(pid, now, status)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signals.SIGKILL)
