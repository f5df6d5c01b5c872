"""The event loop: wait for a task's stop, say what it means, let it go on (ptrace(2), "Stopped states").

It runs twice for every system call of every traced task, so the common way through `run` is kept flat, and
a call of no interest costs one look at its number.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from typing import Protocol

from tracer.ptrace import binding
from tracer.ptrace.tracee import RawArguments, RawCall, Tracee

#: Audit architecture → numbers of the calls to report; None: all of them. An architecture not in it: all.
Interest = Mapping[int, frozenset[int] | None]

_STOPPED = 0x7F
_SYSCALL_STOP = (signal.SIGTRAP | 0x80) << 8 | _STOPPED
_BIRTHS = frozenset((binding.EVENT_FORK, binding.EVENT_VFORK, binding.EVENT_CLONE))


class Observer(Protocol):
    """Is told what happens while the task stands still. Times are nanoseconds of CLOCK_MONOTONIC."""

    def entered(self, call: RawCall) -> None:
        """A task is about to enter a call of interest."""

    def left(self, call: RawCall) -> None:
        """The call has its result, or never will: its task ended in it."""

    def executed(self, pid: int, t: int, call: RawCall | None) -> None:
        """Task `pid` now runs another program; `call` is the execve under way, if it is of interest."""

    def signalled(self, pid: int, t: int, number: int) -> None:
        """A signal is about to be delivered."""

    def ended(self, pid: int, t: int, wait_status: int) -> None:
        """A task is gone."""


class Loop:
    """Follows one command and all its descendants until none is left."""

    def __init__(self, observer: Observer, *, before_exec: Interest, interest: Interest) -> None:
        """`before_exec` holds until the command's own program runs, `interest` from then on."""
        self._observer = observer
        self._interest = before_exec
        self._interest_after_exec = interest
        self._tracees: dict[int, Tracee] = {}
        self._ended_unannounced: set[int] = set()
        self._info = binding.SyscallInfo()
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
            request = binding.SYSCALL
            if status == _SYSCALL_STOP:
                if tracee.skipping:
                    tracee.skipping = False
                else:
                    self._at_syscall(tracee, now)
            elif status >> 16:
                request = self._at_event(tracee, now, status >> 16, status >> 8 & 0xFF)
            else:
                deliver = status >> 8
                self._observer.signalled(pid, now, deliver)
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
        elif kind == binding.INFO_ENTRY:
            arch = word >> 32
            wanted = self._interest.get(arch)
            if wanted is not None and info[3] not in wanted:
                tracee.skipping = True
                return
            arguments: RawArguments = (info[4], info[5], info[6], info[7], info[8], info[9])
            call = tracee.call = RawCall(tracee.pid, arch, info[3], arguments)
            self._observer.entered(call)
            call.t = time.monotonic_ns()

    def _at_event(self, tracee: Tracee, now: int, event: int, number: int) -> int:
        """Deal with any other stop than a system call's or a signal's; return the request to go on with."""
        if event == binding.EVENT_STOP:
            # A group-stop names the stopping signal; LISTEN keeps the task stopped until SIGCONT. SIGTRAP:
            # a child's first stop, or the end of a group-stop.
            return binding.SYSCALL if number == signal.SIGTRAP else binding.LISTEN
        if event == binding.EVENT_EXEC:
            self._executed(tracee, now)
        elif event in _BIRTHS:
            self._announce(binding.event_message(tracee.pid))
        return binding.SYSCALL

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
