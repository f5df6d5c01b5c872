"""What signals to the tracer itself mean while something is traced."""

from __future__ import annotations

import os
from _thread import get_native_id

from pyinsmod.lean import TYPE_CHECKING, Callable, Iterator, contextmanager, signals, suppress

if TYPE_CHECKING:
    from types import FrameType

_KEYS = (signals.SIGINT, signals.SIGQUIT)
_ENDING = (signals.SIGTERM, signals.SIGHUP)


@contextmanager
def interrupts(command: int | None, end: Callable[[int], None]) -> Iterator[None]:
    """Leave ^C and ^\\ to the process `command`, as a shell does; have SIGTERM and SIGHUP call `end`.

    Without a command ^C and ^\\ call `end`, too: they are how one stops watching other processes.
    A terminal sends ^C to the command too, being of the same process group; from elsewhere it is passed on.
    Python handles signals in the main thread only: in another one this does nothing.
    """  # noqa: D301  (the backslash is the key)

    def pass_on(number: int, _frame: FrameType | None) -> None:
        if command is not None and not _terminal_told_everybody():
            with suppress(ProcessLookupError):  # ended already; its children may live on
                os.kill(command, number)

    def ended(number: int, _frame: FrameType | None) -> None:
        end(number)

    if get_native_id() != os.getpid():
        yield
        return
    wanted = dict.fromkeys(_KEYS, ended if command is None else pass_on) | dict.fromkeys(_ENDING, ended)
    # What is ignored, as by nohup or in a shell's background, stays so.
    heeded = [number for number in wanted if signals.getsignal(number) != signals.SIG_IGN]
    before = {number: signals.signal(number, wanted[number]) for number in heeded}
    try:
        yield
    finally:
        for number, handler in before.items():
            signals.signal(number, signals.SIG_DFL if handler is None else handler)


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
