"""Who is told what the event loop sees."""

from __future__ import annotations

from pyinsmod.lean import Callable, Protocol
from tracer.ptrace.tracee import PlainCall, RawCall, ReturnedCall

#: (task's id, what the kernel says of its stop: `binding.SyscallInfo.view`) → the call that begins; None when its end
#: does not matter.
Begin = Callable[[int, memoryview], PlainCall | RawCall | None]


class Observer(Protocol):
    """Is told what happens while the task stands still. Times are nanoseconds of CLOCK_MONOTONIC."""

    def entered(self, call: RawCall) -> bool:
        """A task is about to enter a call of interest; return whether `left` is to follow."""

    def beginning(self, arch: int, number: int) -> Begin:
        """Return what stands for `entered` when calls of this number begin again."""

    @property
    def returned(self) -> Callable[[ReturnedCall], None]:
        """What stands for `left` when a plain call has its result."""

    def raw_call_of(self, plain: PlainCall) -> RawCall:
        """Return the raw call that a plain one would have been: something else came than its result."""

    def left(self, call: RawCall) -> None:
        """The call has its result, or never will: its task ended in it."""

    def executed(self, pid: int, t: int, call: RawCall | None) -> None:
        """Task `pid` now runs another program; `call` is the execve under way, if it is of interest."""

    def signalled(self, pid: int, t: int, number: int, information: bytes | None) -> None:
        """A signal is about to be delivered; its struct siginfo, None when the task was killed meanwhile."""

    def stopped(self, pid: int, t: int, number: int) -> None:
        """A task is stopped by a signal until SIGCONT comes (a group-stop)."""

    def superseded(self, pid: int, t: int, by: int) -> None:
        """A process's first thread is gone: thread `by` executes a program, and goes on with its pid."""

    def ended(self, pid: int, t: int, wait_status: int) -> None:
        """A task is gone."""
