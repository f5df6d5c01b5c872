"""What the tracer itself does to a call on its way: inject a fault, answer in place of the kernel."""

from __future__ import annotations

import os
import time

from pyinsmod.lean import TYPE_CHECKING, Callable, Mapping, MappingProxyType, NamedTuple, Protocol
from tracer.ptrace import binding
from tracer.ptrace.tracee import RawArguments, RawCall, Tracee

if TYPE_CHECKING:
    from tracer.ptrace.registers import Registers

_POLL_SECONDS = 0.0005


class Effect(NamedTuple):
    """What happens to one call; times in nanoseconds."""

    #: The call never reaches the kernel: this is its result, a negative errno for an error.
    result: int | None = None
    #: Sent to the task at the call's entry; 0 for none.
    signal: int = 0
    delay_enter: int = 0
    delay_exit: int = 0
    #: Called at the call's exit, with its result.
    after: Callable[[int], None] | None = None


class Change(Protocol):
    """Decides at the entry of each call of one number."""

    def enter(self, tracee: Tracee, arguments: RawArguments) -> Effect | None:
        """Return what is to happen to this call; None to leave it alone."""


#: Audit architecture and number of a call → what may change it.
Changes = Mapping[tuple[int, int], Change]


class First:
    """Of two changes the first that has an effect."""

    def __init__(self, first: Change, second: Change) -> None:
        self._both = (first, second)

    def enter(self, tracee: Tracee, arguments: RawArguments) -> Effect | None:
        """See `Change`."""
        for change in self._both:
            effect = change.enter(tracee, arguments)
            if effect is not None:
                return effect
        return None


def joined(first: Changes, second: Changes) -> Changes:
    """Return both tables as one; where both change a call, `first` decides first."""
    both = {key: First(first[key], second[key]) for key in first.keys() & second.keys()}
    return {**first, **second, **both}


class _Aside(NamedTuple):
    """What an effect asks for at a stop: a signal, and nanoseconds to stay stopped."""

    signal: int
    delay: int


class _Held(NamedTuple):
    """A task that stays stopped until a time, and how it then goes on."""

    until: int
    tracee: Tracee
    request: int
    signal: int


class Changing:
    """Carries effects out, for the event loop."""

    def __init__(self) -> None:
        self.table: Changes = MappingProxyType({})
        #: What is to be done about the stop at hand other than to let the task go on.
        self.aside: _Aside | None = None
        self.held: list[_Held] = []
        self._known: Registers | None = None

    @property
    def _registers(self) -> Registers:
        if self._known is None:
            from tracer.ptrace.registers import Registers

            self._known = Registers()
        return self._known

    def begin(self, tracee: Tracee, change: Change, arguments: RawArguments) -> None:
        """Do to a call what is to be done at its entry."""
        effect = tracee.effect = change.enter(tracee, arguments)
        if effect is None:
            return
        if effect.result is not None:
            self._registers.skip_call(tracee.pid)
        if effect.signal or effect.delay_enter:
            self.aside = _Aside(effect.signal, effect.delay_enter)

    def finish(self, tracee: Tracee, effect: Effect, call: RawCall | None, result: int) -> None:
        """Do to a call what is to be done at its exit, and note it in its record."""
        tracee.effect = None
        if effect.result is not None:
            self._registers.set_result(tracee.pid, effect.result)
        if effect.after is not None:
            effect.after(result)
        if effect.delay_exit:
            self.aside = _Aside(0, effect.delay_exit)
        if call is None:
            return
        if effect.result is not None:
            call.marks += ("injected",)
            call.result = effect.result
            call.failed = effect.result < 0
        if effect.delay_enter or effect.delay_exit:
            call.marks += ("delayed",)

    def hold(self, tracee: Tracee, request: int) -> bool:
        """Keep a task stopped for the time that was asked for; return False when there was none."""
        aside, self.aside = self.aside, None
        if aside is None or not aside.delay:
            return False
        self.held.append(_Held(time.monotonic_ns() + aside.delay, tracee, request, aside.signal))
        return True

    def wait(self, *, now: bool) -> tuple[int, int]:
        """Return the id and status of the next task that stopped or ended (wait(2)), or zeros.

        Tasks that were held long enough go on meanwhile; all of them do when it is to be `now`.
        """
        time_now = time.monotonic_ns()
        due = [held for held in self.held if now or held.until <= time_now]
        for held in due:
            self.held.remove(held)
            if held.tracee.call is not None:
                held.tracee.call.t = time_now
            binding.ptrace(held.request, held.tracee.pid, 0, held.signal)
        if due:
            return 0, 0
        pid, status = os.waitpid(-1, binding.WALL | os.WNOHANG)
        if not pid:
            time.sleep(min(_POLL_SECONDS, (min(held.until for held in self.held) - time_now) / 1e9))
        return pid, status

    def forget(self, tracee: Tracee) -> None:
        """Note that a task is gone."""
        self.held = [held for held in self.held if held.tracee is not tracee]
