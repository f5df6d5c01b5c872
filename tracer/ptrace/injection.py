"""Faults put into calls: an error or a result that is not the kernel's, a signal, a delay (strace(1), "Tampering")."""

from __future__ import annotations

from pyinsmod.lean import NamedTuple
from tracer.ptrace.changes import Effect
from tracer.ptrace.tracee import RawArguments, Tracee


class Invocations(NamedTuple):
    """Which invocations of a call are meant, counted from 1 for each task; `step` 0: the first of them only."""

    first: int = 1
    last: int | None = None
    step: int = 1

    def include(self, number: int) -> bool:
        """Whether this is one of them."""
        if number < self.first or (self.last is not None and number > self.last):
            return False
        return (number - self.first) % self.step == 0 if self.step else number == self.first


class Injection:
    """One call's fault."""

    def __init__(self, effect: Effect, when: Invocations) -> None:
        self._effect = effect
        self._when = when

    def enter(self, tracee: Tracee, _arguments: RawArguments) -> Effect | None:
        """Count this invocation, and return the fault if it is meant."""
        counts = tracee.invocations
        count = counts[self] = counts.get(self, 0) + 1
        return self._effect if self._when.include(count) else None
