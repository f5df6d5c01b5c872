"""What a trace does about calls: which of them stop, by a seccomp filter or all, and what is done to them there."""

from __future__ import annotations

import os

from pyinsmod.lean import TYPE_CHECKING, Sequence
from tracer.call_sets import CallSet, described
from tracer.decode import names
from tracer.ptrace import seccomp
from tracer.ptrace.affinity import GETTER, SETTER, AffinityAsked, AffinitySet, Pinned
from tracer.ptrace.changes import Change, Changes, joined
from tracer.ptrace.loop import Loop
from tracer.ptrace.seccomp import Installers
from tracer.ptrace.tracee import Interest
from tracer.record_types import Record

if TYPE_CHECKING:
    from tracer.injections import Fault
    from tracer.ptrace.observer import Observer


class TraceSetup:
    """Which calls stop and what is done to them, worked out for each architecture that processes here can have."""

    def __init__(
        self, calls: CallSet, hooked: frozenset[str], inject: Sequence[Fault], *, pinning: bool, filtering: bool
    ) -> None:
        """`calls` are recorded, `hooked` stop as well; `filtering`: by a seccomp filter, where that is possible."""
        self.pinning = pinning
        self._architectures = [arch.audit for arch in names.machine_architectures(os.uname().machine)]
        self._recorded = calls
        self._stopping = None if calls is None else calls | hooked
        self._inject = inject
        #: Calls that would show a task that it is pinned.
        self._telling = frozenset((GETTER, SETTER)) if pinning else frozenset()
        self._installers = {
            audit: Installers(*(names.call_numbers(frozenset((name,)), audit) for name in Installers._fields))
            for audit in self._architectures
        }
        #: The filter; None where none may be installed, or where all calls stop anyway.
        self.program = self._filter_program() if filtering and not any(each.effect.signal for each in inject) else None

    def loop(self, observer: Observer) -> Loop:
        """Return the event loop that tells `observer` of these calls."""
        return Loop(
            observer,
            before_exec=self._interest_in(frozenset(("execve",))),
            interest=self._interest_in(self._stopping),
            filtered=None if self.program is None else self._installers,
        )

    def described(self, pinned: Pinned | None) -> Record:
        """Return what the header has of this."""
        stops = "syscall" if self.program is None else "seccomp"
        how: Record = {"calls": described(self._recorded), "pinned_to_cpu": pinned and pinned.cpu, "stops": stops}
        return {**how, "inject": [fault.text for fault in self._inject]} if self._inject else how

    def changes(self, pinned: Pinned | None, loop: Loop) -> Changes:
        """Return what is done to calls: faults, and what hides from the tasks of `loop` that they are pinned."""
        return joined(_changes(self._inject, self._architectures), self._unseen(pinned, loop))

    def _interest_in(self, calls: CallSet) -> Interest:
        """Return the numbers of calls."""
        return {audit: None if calls is None else names.call_numbers(calls, audit) for audit in self._architectures}

    def _filter_program(self) -> bytes | None:
        if self._stopping is None or not seccomp.permitted():
            return None
        return seccomp.filter_program(self._interest_in(self._stopping | self._telling), self._installers)

    def _unseen(self, pinned: Pinned | None, loop: Loop) -> Changes:
        if pinned is None:
            return {}
        changed: dict[str, Change] = {GETTER: AffinityAsked(pinned, loop.tracees), SETTER: AffinitySet(loop.tracees)}
        return {
            (audit, number): change
            for audit in self._architectures
            for name, change in changed.items()
            for number in names.call_numbers(frozenset((name,)), audit)
        }


def with_injected(calls: CallSet, inject: Sequence[Fault]) -> CallSet:
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
