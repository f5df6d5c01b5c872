"""The event loop: wait for a task's stop, say what it means, let it go on (ptrace(2), "Stopped states").

It runs once or twice for every system call of interest, without a filter (see `seccomp`) twice for every call
of every traced task. So the common way through `run` is kept flat, and a call of no interest costs one look
at its number.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from typing import Protocol

from tracer.ptrace import binding
from tracer.ptrace.seccomp import Installers, Interest, installs_filter
from tracer.ptrace.tracee import RawArguments, RawCall, Tracee

_STOPPED = 0x7F
_SYSCALL_STOP = (signal.SIGTRAP | 0x80) << 8 | _STOPPED
_CALL_STOPS = frozenset((_SYSCALL_STOP, binding.EVENT_SECCOMP << 16 | signal.SIGTRAP << 8 | _STOPPED))
_BIRTHS = frozenset((binding.EVENT_FORK, binding.EVENT_VFORK, binding.EVENT_CLONE))


class Observer(Protocol):
    """Is told what happens while the task stands still. Times are nanoseconds of CLOCK_MONOTONIC."""

    def entered(self, call: RawCall) -> bool:
        """A task is about to enter a call of interest; return whether `left` is to follow."""

    def left(self, call: RawCall) -> None:
        """The call has its result, or never will: its task ended in it."""

    def executed(self, pid: int, t: int, call: RawCall | None) -> None:
        """Task `pid` now runs another program; `call` is the execve under way, if it is of interest."""

    def signalled(self, pid: int, t: int, number: int, information: bytes | None) -> None:
        """A signal is about to be delivered; its struct siginfo, unless the task is gone."""

    def stopped(self, pid: int, t: int, number: int) -> None:
        """A task is in a group-stop: all of its process are, until SIGCONT comes."""

    def superseded(self, pid: int, t: int, by: int) -> None:
        """Thread `by` executes another program and takes the place of its leader, `pid`; `executed` follows."""

    def ended(self, pid: int, t: int, wait_status: int) -> None:
        """A task is gone."""


class Loop:
    """Follows one command and all its descendants until none is left."""

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
        self._observer = observer
        self._interest = before_exec
        self._interest_after_exec = interest
        self._tracees: dict[int, Tracee] = {}
        self._ended_unannounced: set[int] = set()
        self._info = binding.SyscallInfo()
        self._installers = filtered or {}
        #: How a task goes on that is in no call of interest.
        self._between_calls = binding.SYSCALL if filtered is None else binding.CONT
        self._command_pid = 0
        self._command_status = 0

    def run(self, pid: int) -> int:
        """Trace `pid`, seized and resumed, to the end; return its wait status (wait(2))."""
        self._command_pid = pid
        self._tracees[pid] = Tracee(pid, announced=True)
        tracees, resume, clock = self._tracees, binding.raw_ptrace, time.monotonic_ns
        while tracees:
            try:
                pid, status = os.waitpid(-1, binding.WALL)
            except ChildProcessError:  # whoever else waits in this process took the last one
                break
            now = clock()
            if status & 0xFF != _STOPPED:
                self._end(pid, now, status)
                continue
            tracee = tracees.get(pid) or self._adopt(pid)
            deliver = 0
            listen = False
            if status == _SYSCALL_STOP and tracee.skipping:
                tracee.skipping = False
            elif status in _CALL_STOPS:
                self._at_syscall(tracee, now)
            elif status >> 16:
                listen = self._at_event(tracee, now, status >> 16, status >> 8 & 0xFF)
            else:
                deliver = status >> 8
                self._observer.signalled(pid, now, deliver, binding.signal_information(pid))
            # From the entry of a call of interest SYSCALL leads to its exit, with or without a filter (the
            # filter's stop comes after the entry's since Linux 4.8; PTRACE_GET_SYSCALL_INFO is from 5.3).
            request = binding.SYSCALL if tracee.call is not None else self._between_calls
            if listen:
                request = binding.LISTEN
            if resume(request, pid, 0, deliver) < 0:
                binding.refuse_unless_vanished(request, pid)
        return self._command_status

    def kill(self) -> None:
        """Kill every tracee and wait until all are gone."""
        for pid in self._tracees:
            _kill(pid)
        while self._tracees:
            try:
                pid, status = os.waitpid(-1, binding.WALL)
            except ChildProcessError:
                return
            if status & 0xFF == _STOPPED:
                _kill(pid)
                binding.raw_ptrace(binding.CONT, pid, 0, 0)
            else:
                self._tracees.pop(pid, None)

    def _adopt(self, pid: int) -> Tracee:
        """Take in a child whose first stop comes before its parent's event."""
        tracee = self._tracees[pid] = Tracee(pid, announced=False)
        return tracee

    def _at_syscall(self, tracee: Tracee, now: int) -> None:
        """Read the stop's meaning from the kernel: it says itself whether a call begins or ends."""
        if not self._info.read(tracee.pid):
            return
        info = self._info.words
        word = info[0]
        kind = word & 0xFF
        call = tracee.call
        if kind == binding.INFO_EXIT:
            if call is not None:
                tracee.call = None
                call.end = now
                call.result = self._info.result()
                call.failed = bool(info[4] & 0xFF)
                self._observer.left(call)
        elif kind == binding.INFO_ENTRY or kind == binding.INFO_SECCOMP:
            if call is not None or tracee.skipping:
                return  # where every call stops, this one did before it came to the filter
            arch = word >> 32
            number = info[3]
            if kind == binding.INFO_SECCOMP:
                self._mind_filters(arch, number, info[4])
            wanted = self._interest.get(arch)
            if wanted is None or number in wanted:
                arguments: RawArguments = (info[4], info[5], info[6], info[7], info[8], info[9])
                call = RawCall(tracee.pid, arch, number, arguments)
                if self._observer.entered(call):
                    tracee.call = call
                    call.t = time.monotonic_ns()
                    return
            tracee.skipping = self._between_calls == binding.SYSCALL

    def _mind_filters(self, arch: int, number: int, first_argument: int) -> None:
        """From a task's own filter on, stop at every call: that filter can refuse calls before ours sees them."""
        installers = self._installers.get(arch)
        if installers is not None and installs_filter(number, first_argument, installers):
            self._between_calls = binding.SYSCALL

    def _at_event(self, tracee: Tracee, now: int, event: int, number: int) -> bool:
        """Deal with any other stop than a system call's or a signal's; return whether the task stays stopped."""
        if event == binding.EVENT_STOP:
            # A group-stop names the stopping signal; LISTEN keeps the task stopped until SIGCONT. SIGTRAP:
            # a child's first stop, or the end of a group-stop.
            if number == signal.SIGTRAP:
                return False
            self._observer.stopped(tracee.pid, now, number)
            return True
        if event == binding.EVENT_EXEC:
            self._executed(tracee, now)
        elif event in _BIRTHS:
            self._announce(binding.event_message(tracee.pid))
        return False

    def _announce(self, pid: int) -> None:
        """Note a child that must still come to its first stop; it may have come, and even gone, already."""
        if pid in self._ended_unannounced:
            self._ended_unannounced.discard(pid)
        elif pid in self._tracees:
            self._tracees[pid].announced = True
        elif pid:
            self._tracees[pid] = Tracee(pid, announced=True)

    def _executed(self, tracee: Tracee, now: int) -> None:
        """Give a thread that executes its leader's pid, as the kernel does (ptrace(2))."""
        former = self._tracees.pop(binding.event_message(tracee.pid), tracee)
        if former is not tracee:
            if tracee.call is not None:
                self._observer.left(tracee.call)
            tracee.call, tracee.skipping = former.call, former.skipping
            self._observer.superseded(tracee.pid, now, former.pid)
        else:
            self._tracees[tracee.pid] = tracee
        self._interest = self._interest_after_exec
        self._observer.executed(tracee.pid, now, tracee.call)

    def _end(self, pid: int, now: int, status: int) -> None:
        tracee = self._tracees.pop(pid, None)
        if tracee is None:
            self._ended_unannounced.add(pid)
            return
        if not tracee.announced:
            self._ended_unannounced.add(pid)
        if tracee.call is not None:
            self._observer.left(tracee.call)
        if pid == self._command_pid:
            self._command_status = status
        self._observer.ended(pid, now, status)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
