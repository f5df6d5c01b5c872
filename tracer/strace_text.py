"""Records as text, as `strace -f` writes it: one line a record, the task's pid in front.

What is between the brackets, and after the `=`, comes from the call's signature (`tracer.decode`) and the
record alone. Where strace splits a call in two lines because another task's came between (`<unfinished ...>`,
`<... resumed>`), the call is one line here: a record is written when the call is complete.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from errno import errorcode

from pyinsmod.lean import Any
from tracer.call_text import COLUMN
from tracer.decode.kinds.siginfo import show_siginfo
from tracer.decode.lookup import text_plan_of
from tracer.decode.quoting import quoted
from tracer.decode.signature import Text
from tracer.record_types import Record
from tracer.task_text import task_line, task_words

__all__ = ["line", "quoted", "words"]

_ERRNOS = {**{symbol: number for number, symbol in errorcode.items()}, "EOPNOTSUPP": 95, "EDEADLK": 35}
_RESTART_TEXTS = {
    "ERESTARTSYS": "To be restarted if SA_RESTART is set",
    "ERESTARTNOINTR": "To be restarted",
    "ERESTARTNOHAND": "To be restarted if no handler",
    "ERESTART_RESTARTBLOCK": "Interrupted by signal",
}


def line(record: Record, machine: str = "") -> str | None:
    """Return one record as a line without its newline; None for those that strace has nothing like.

    `machine` (uname -m) is the architecture of calls whose record names none: the tracer's own.
    """
    if record["type"] == "syscall":
        shown, result = _parts(record, machine)
        if "injected" in record or "delayed" in record:
            result += _marks(record)
        begun = f"{record['pid']:<5} {shown} "
        return f"{begun:{COLUMN}}= {result}"
    if record["type"] == "signal":
        return f"{record['pid']:<5} {_signal(record)}"
    return task_line(record)


def _marks(record: Record) -> str:
    return "".join(f" ({mark.upper()})" for mark in ("injected", "delayed") if record.get(mark))


def words(record: Record) -> str | None:
    """Return what `line` does without the pid and without padding, for a sentence."""
    if record["type"] == "syscall":
        return " = ".join(_parts(record)) + _marks(record)
    return _signal(record) if record["type"] == "signal" else task_words(record)


def _parts(record: Record, machine: str = "") -> tuple[str, str]:
    """Return a call with its arguments, and its result."""
    name, arguments = record["name"], record["args"]
    text = text_plan_of(name, record.get("arch", machine)).of(arguments)
    value, errno = record["return"], record.get("errno")
    if value is None:
        return _never_returned(name, text, arguments, errno)
    shown = f"{name}({', '.join([_shown(show, arguments[key]) for key, show in text.arguments if key in arguments])})"
    if errno:
        return shown, f"-1 {errno} ({_error_text(errno)})"
    return shown, text.result(value, arguments)


def _shown(show: Callable[[Any], str], value: Any) -> str:
    try:
        return show(value)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # A record of a recorder that decoded the call otherwise.
        return str(value)


def _never_returned(name: str, text: Text, arguments: dict[str, Any], errno: str | None) -> tuple[str, str]:
    """Return a call that will be restarted, or whose task ended in it; then strace has not come to its output."""
    early = text.arguments if errno or text.whole_at_entry else text.arguments[: text.early]
    parts = [_shown(show, arguments[key]) for key, show in early if key in arguments]
    if errno:
        return f"{name}({', '.join(parts)})", f"? {errno} ({_RESTART_TEXTS.get(errno, '?')})"
    if text.whole_at_entry:
        return f"{name}({', '.join(parts)})", "?"
    comma = ", " if parts and text.early < len(text.arguments) else ""
    return f"{name}({', '.join(parts)}{comma} <unfinished ...>)", "?"


def _error_text(errno: str) -> str:
    number = _ERRNOS.get(errno)
    return "?" if number is None else os.strerror(number)


def _signal(record: Record) -> str:
    information = record.get("siginfo")
    return f"--- {record['signal']}{'' if information is None else ' ' + show_siginfo(information)} ---"
