"""The top-level trace buffer, for kernels whose instances have no function graph: borrowed, and given back.

There is one for the whole system. So it is taken only while nobody else uses it, and what it was like is
written down below /run before anything is changed: after a tracer that was killed, the next one puts it back.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from functools import partial
from pathlib import Path

from tracer.errors import KernelSideUnavailable
from tracer.kernel_side.tracefs import TRACE_CLOCK, Changes, entries, write

JOURNAL = Path("/run/pyinsmod/tracefs.json")
# What these files say while nobody asked for anything (Documentation/trace/ftrace.rst).
_UNUSED = {
    "current_tracer": "nop",
    "set_ftrace_filter": "#### all functions enabled ####",
    "set_ftrace_notrace": "#### no functions disabled ####",
    "set_ftrace_pid": "no pid",
    "set_event": "",
    "set_event_pid": "",
}
_NO_PID = {"set_ftrace_pid": "\n", "set_event_pid": "\n"}


class TopLevel:
    """The top-level buffer as a place to trace in; until `Changes.undo` nobody else of us can have it.

    Raises:
        KernelSideUnavailable: somebody else uses it; the text says by what that shows.
    """

    def __init__(self, root: Path, changes: Changes, *, only_tracer: bool = False) -> None:
        """`only_tracer`: look at the current tracer and at nothing else, which is quicker."""
        self.path = root
        self._changes = changes
        lock = _locked()
        changes.on_undo(partial(os.close, lock))
        recover(root, lock)
        _refuse_if_used(root, ["current_tracer"] if only_tracer else list(_UNUSED))
        if not only_tracer and entries(root):
            raise KernelSideUnavailable("another tracer is using tracefs: its buffer has events in it")
        self._before: dict[str, str] = {}
        self._lock = lock
        changes.on_undo(partial(os.ftruncate, lock, 0))

    def switch(self, *, on: bool) -> None:
        """Let the buffer record, or not; before anything was changed it is as it was found."""
        if self._before:
            write(self.path / "tracing_on", "1" if on else "0")

    def set(self, name: str, value: str, before: str | None = None) -> None:
        """Write to a control file; `before` is what puts it back, by default what it says."""
        path = self.path / name
        earlier = _chosen(path) if before is None else before
        self._before.setdefault(name, earlier)  # set twice, it is still to be as it was found
        self._note()
        self._changes.set(path, value, earlier)

    def option(self, name: str, value: str) -> bool:
        """Set an option; return whether this kernel has it."""
        if not (self.path / "options" / name).exists():
            return False
        self.set(f"options/{name}", value)
        return True

    def use_clock(self) -> None:
        """Stop the buffer, and have it stamp with the clock of all records."""
        self.set("tracing_on", "0")
        if _chosen(self.path / "trace_clock") != TRACE_CLOCK:
            self.set("trace_clock", TRACE_CLOCK)

    def lost_events(self) -> int:
        """Return 0: the buffer is shared with whatever was there before, its counters say nothing of us."""
        return 0

    def _note(self) -> None:
        text = json.dumps(self._before).encode()
        os.pwrite(self._lock, text, 0)  # it only ever gets longer


def recover(root: Path, journal: int) -> None:
    """Put back what a tracer noted that was killed, its last change first."""
    for name, before in reversed(_noted(journal).items()):
        with contextlib.suppress(OSError):
            write(root / name, before)
    os.ftruncate(journal, 0)


def _noted(journal: int) -> dict[str, str]:
    """Return file → what it said before; nothing if it was cut off while it was written."""
    try:
        noted = json.loads(os.pread(journal, 1 << 16, 0))
    except ValueError:
        return {}
    sound = isinstance(noted, dict) and all(isinstance(before, str) for before in noted.values())
    return noted if sound and not any(".." in name or name[:1] == "/" for name in noted) else {}


def recover_unless_in_use(root: Path) -> None:
    """Put the top-level buffer back after a tracer that was killed; one that lives is left alone."""
    if JOURNAL.exists():
        with contextlib.suppress(KernelSideUnavailable):
            lock = _locked()
            recover(root, lock)
            os.close(lock)


def _locked() -> int:
    """Open the journal for this process alone; root's own folder is the only place it is believed from."""
    try:
        JOURNAL.parent.mkdir(mode=0o700, exist_ok=True)
        journal = os.open(JOURNAL, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as refusal:
        raise KernelSideUnavailable(
            f"cannot note what tracefs was like in '{JOURNAL}': {refusal.strerror}"
        ) from refusal
    folder, file = JOURNAL.parent.stat(), os.fstat(journal)
    if any(state.st_uid != 0 or state.st_mode & 0o022 for state in (folder, file)):
        os.close(journal)
        raise KernelSideUnavailable(f"'{JOURNAL}' could have been written by others than root: remove it")
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(journal)
        raise KernelSideUnavailable("another pyinsmod is tracing in the top-level buffer of tracefs") from None
    return journal


def _refuse_if_used(root: Path, names: list[str]) -> None:
    for name in names:
        try:
            first = (root / name).read_text().partition("\n")[0].strip()
        except FileNotFoundError:
            continue
        if first != _UNUSED[name]:
            raise KernelSideUnavailable(
                f"another tracer is using tracefs: its {name} is not '{_UNUSED[name] or 'empty'}'"
            )


def _chosen(path: Path) -> str:
    """Return what a file says; of a list of choices the one in brackets."""
    if path.name in _NO_PID:
        return _NO_PID[path.name]
    words = path.read_text().split()
    return next((word.strip("[]") for word in words if word.startswith("[")), " ".join(words) or "\n")
