"""Signals while the kernel's tracing is on: those that end a program become exceptions, so that it is switched off."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from tracer.errors import Interrupted

ENDING = (signal.SIGTERM, signal.SIGHUP)
_ALL = (*ENDING, signal.SIGINT, signal.SIGQUIT)


def raise_on_ending_signals() -> Callable[[], None]:
    """Let SIGTERM and SIGHUP raise Interrupted from now on; return what ends that.

    Python handles signals in the main thread only: in another one this does nothing. What is ignored stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    heeded = [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _raise) for number in heeded}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    return restore


@contextmanager
def undisturbed() -> Iterator[None]:
    """Hold the signals that end a program back for the time of the block: it is short, and must be done whole.

    An exception may come between a call's return and the keeping of what it returned. A descriptor lost so keeps
    a trace instance from being removed.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _raise(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)
