"""What signals to the tracer itself mean while a command is traced."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tracer.errors import Interrupted

_PASSED_ON = (signal.SIGINT, signal.SIGQUIT)
_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def interrupts(pid: int) -> Iterator[None]:
    """Leave ^C and ^\\ to the command `pid`, as a shell does; end the trace on SIGTERM and SIGHUP.

    A terminal sends ^C to the command too, being of the same process group; from elsewhere it is passed on.
    Python handles signals in the main thread only: in another one this does nothing.

    Raises:
        Interrupted: out of the block, on SIGTERM or SIGHUP.
    """  # noqa: D301  (the backslash is the key)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if not _terminal_told_everybody():
            with contextlib.suppress(ProcessLookupError):  # ended already; its children may live on
                os.kill(pid, number)

    def end(number: int, _frame: FrameType | None) -> None:
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    wanted = dict.fromkeys(_PASSED_ON, pass_on) | dict.fromkeys(_ENDING, end)
    # What is ignored, as by nohup or in a shell's background, stays so.
    heeded = [number for number in wanted if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, wanted[number]) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _terminal_told_everybody() -> bool:
    """Whether this process is in the foreground of a terminal, so that ^C went to its whole group."""
    try:
        terminal = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(terminal)
