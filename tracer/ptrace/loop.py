"""The event loop: wait for a task's stop, say what it means, let it go on (ptrace(2), "Stopped states").

It runs once or twice for every system call of interest, without a filter (see `seccomp`) twice for every call
of every traced task. So the common way through `_follow` is kept flat; all else is in `stops`.
"""

from __future__ import annotations

import os

from pyinsmod.lean import Iterable, Mapping, signals, suppress
from tracer.ptrace import attach, binding
from tracer.ptrace.stops import CALL_STOPS, EVERY_CALL, STOPPED, Stops
from tracer.ptrace.tracee import Tracee

#: Results up to here are no program's to see: its call is restarted (<linux/errno.h>).
_LAST_RESTART = -512
_EXIT, _ASK, _ANY_CHILD = binding.INFO_EXIT, binding.GET_SYSCALL_INFO, binding.WALL


class _Left(Exception):
    """The loop was asked to end while it waited."""


class Loop(Stops):
    """Follows a command, or processes that ran already, and all their descendants, until none is left."""

    #: Whether a signal's handler may break a wait off.
    _waiting = False

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
            self._adopt(pid).announced = True
        self._has_attached = True

    def run(self, command: int | None = None) -> int:
        """Trace to the end, or until `leave`; return the wait status (wait(2)) of the command, 0 without one.

        `command` is seized and resumed.
        """
        if command is not None:
            self._command_pid = command
            self._tracees[command] = Tracee(command, self._before_exec, announced=True)
        self._follow()
        self._waiting = False
        return self._command_status

    def _follow(self) -> None:  # noqa: C901  (flat: see above)
        """Deal with one stop after the other, as long as there are tasks."""
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
                or status not in CALL_STOPS
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
                    tracee.plain, going_on = begun, EVERY_CALL
                else:
                    going_on = self._begun(tracee, begun)
            if going_on is not None and ptrace(going_on[0], pid, 0, going_on[1]) < 0:
                binding.ptrace(going_on[0], pid, 0, going_on[1])

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
            self._make_raw(tracee)
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
            if status & 0xFF != STOPPED:
                doomed.discard(pid)
                self._tracees.pop(pid, None)
            elif pid in doomed or not self._has_attached:
                _kill(pid)
                binding.raw_ptrace(binding.CONT, pid, 0, 0)

    def _may_leave(self) -> bool:
        """Whether no task is in a call of which it would get to see the half only."""
        effects = [tracee.effect for tracee in self._tracees.values() if tracee.effect is not None]
        return all(effect.result is None and effect.after is None for effect in effects)


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signals.SIGKILL)
