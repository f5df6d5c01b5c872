"""The kernel's side of a trace: what the recorder asks of whoever watches the kernel meanwhile."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from tracer.ptrace.tracee import Moment, RawCall
    from tracer.records import Record


class KernelSide(Protocol):
    """Watches the kernel while a command runs; inherit from it to get the hooks that do nothing."""

    def start(self, pid: int, command: Sequence[str]) -> None:
        """Begin: process `pid` exists, is seized, and waits to execute `command`."""

    def header(self) -> dict[str, Any]:
        """Return what the header says of this side; called once, after `start`."""
        return {}

    def at_module_call(self, moment: Moment, call: RawCall) -> None:
        """Look at the kernel's state now: the task stands still at the border of a module call.

        Called for init_module, finit_module and delete_module, whatever calls are being recorded. At "entry"
        the kernel has done nothing yet, at "exit" `call.result` is known; the time spent here is not counted
        as the call's own.
        """

    def stop(self) -> Iterable[Record]:
        """Switch everything off again and return what was seen; called once, also after a failure."""
        return ()
