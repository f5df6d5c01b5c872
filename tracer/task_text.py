"""What became of a task, as `strace -f` writes it: the lines that need no decoder, imported by every trace."""

from __future__ import annotations

from pyinsmod.lean import Callable
from tracer.record_types import Record


def task_line(record: Record) -> str | None:
    """Return such a record as a line without its newline; None for any other."""
    text = task_words(record)
    return None if text is None else f"{record['pid']:<5} {text}"


def task_words(record: Record) -> str | None:
    """Return what `task_line` does without the pid."""
    writer = _WORDS.get(record["type"])
    return None if writer is None else writer(record)


def _exit(record: Record) -> str:
    if "signal" in record:
        dumped = " (core dumped)" if record.get("core_dumped") else ""
        return f"+++ killed by {record['signal']}{dumped} +++"
    return f"+++ exited with {record.get('status')} +++"


def _stopped(record: Record) -> str:
    return f"--- stopped by {record['signal']} ---"


def _superseded(record: Record) -> str:
    return f"+++ superseded by execve in pid {record['by']} +++"


_WORDS: dict[str, Callable[[Record], str]] = {
    "exit": _exit,
    "stopped": _stopped,
    "superseded": _superseded,
}
