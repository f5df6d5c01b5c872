"""Let tracees leave the one CPU of `affinity` while it does not pay: several run, and seldom stop.

Two compilers at work, or two threads that compute, take twice the time on one CPU, and there are too few stops for
that to be won back. Whether there are is seen by what the tracer itself takes of a processor. A timer has it looked
at, because the tracer sleeps meanwhile.
"""

from __future__ import annotations

import os
import time
from _thread import get_native_id

from pyinsmod.lean import TYPE_CHECKING, Iterator, Mapping, contextmanager, signals, suppress
from tracer.ptrace.affinity import Pinned
from tracer.ptrace.tracee import Tracee

if TYPE_CHECKING:
    from types import FrameType

_INTERVAL = 0.1
#: Shares of a processor: with less the tracees are let go, with more they are called back. A stop takes some 10 µs,
#: and waking another CPU ten times that.
_IDLE, _BUSY = 0.05, 0.10


@contextmanager
def giving_way(pinned: Pinned | None, tracees: Mapping[int, Tracee]) -> Iterator[None]:
    """Look at the tracees now and then during the block.

    By SIGALRM: nothing is done outside the main thread, or where that signal is in use.
    """
    in_use = get_native_id() != os.getpid() or signals.getsignal(signals.SIGALRM) != signals.SIG_DFL
    if pinned is None or in_use:
        yield
        return
    before = signals.signal(signals.SIGALRM, GivingWay(pinned, tracees))
    signals.setitimer(signals.ITIMER_REAL, _INTERVAL, _INTERVAL)
    try:
        yield
    finally:
        signals.setitimer(signals.ITIMER_REAL, 0)
        signals.signal(signals.SIGALRM, before)


class GivingWay:
    """The timer's handler. Between two bytecodes of the event loop, so what it sees of tracees is whole."""

    def __init__(self, pinned: Pinned, tracees: Mapping[int, Tracee]) -> None:
        self._pinned = pinned
        self._tracees = tracees
        self._seen = (time.monotonic(), time.thread_time())
        self.spread = False

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Decide anew."""
        (then, used_then), self._seen = self._seen, (time.monotonic(), time.thread_time())
        elapsed, used = self._seen[0] - then, self._seen[1] - used_then
        if self.spread and used > _BUSY * elapsed:
            self.spread = False
            self._move(frozenset((self._pinned.cpu,)))
        elif len(self._tracees) > 1 and (self.spread or used < _IDLE * elapsed):
            self.spread = True  # again each time: a child may have been born to one that was not moved yet
            self._move(self._pinned.affinity)

    def _move(self, cpus: frozenset[int]) -> None:
        for tracee in self._tracees.values():
            if not tracee.own_affinity:
                with suppress(OSError):  # it is gone, or another user's
                    os.sched_setaffinity(tracee.pid, cpus)
