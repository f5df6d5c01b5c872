"""tracefs: where it is, an instance of our own, and leaving everything as it was found.

Reference: Documentation/trace/ftrace.rst. Whatever is changed is noted first, so that it can be changed back
after a failure at any point. A tracer that was killed cannot do so: the next one sweeps up after it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from tracer.errors import KernelSideUnavailable

MOUNT_POINTS = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))
TRACE_CLOCK = "mono"  # CLOCK_MONOTONIC, the clock of all records
CLOCK_ERROR_NS = 1000  # the text has microseconds
PREFIX = "pyinsmod"
_OURS = re.compile(rf"{PREFIX}-\d+")
_OUR_PROBE = re.compile(rf"^[pre]\d*:((?:{PREFIX}_(\d+))/\S+)", re.MULTILINE)


def find_tracefs(what: str) -> Path:
    """Return where tracefs is mounted; `what` needs it.

    Raises:
        KernelSideUnavailable: it is not mounted, or may not be read.
    """
    for root in MOUNT_POINTS:
        try:
            if (root / "current_tracer").exists():
                return root
        except PermissionError as refusal:
            raise KernelSideUnavailable(f"{what} needs root: tracefs may not be read") from refusal
    raise KernelSideUnavailable(f"{what} needs tracefs: sudo mount -t tracefs tracefs /sys/kernel/tracing")


def write(path: Path, text: str, *, append: bool = False) -> None:
    """Write to a control file; some of them take one word at a time. An error has the kernel's errno and the path."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | (os.O_APPEND if append else os.O_TRUNC))
    data = text.encode()
    try:
        while data:
            data = data[os.write(descriptor, data) :]
    except OSError as refusal:
        refusal.filename = str(path)
        raise
    finally:
        os.close(descriptor)


class Changes:
    """What was changed, and how to change it back, newest first."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], object]] = []

    def set(self, path: Path, value: str, before: str) -> None:
        """Write `value` to a control file that had `before` (or that understands it)."""
        self.on_undo(partial(write, path, before))
        write(path, value)

    def on_undo(self, action: Callable[[], object]) -> None:
        """Note what has to be done when everything is changed back; it may find nothing to do."""
        self._undo.append(action)

    def undo(self) -> None:
        """Change everything back, whatever fails meanwhile.

        Raises:
            OSError: the first failure, after the rest was done.
        """
        failures = []
        while self._undo:
            try:
                self._undo.pop()()
            except FileNotFoundError:
                continue
            except OSError as failure:
                failures.append(failure)
        if failures:
            raise failures[0]


class Instance:
    """A trace buffer with events, filters and options of its own: nobody else's tracing is touched.

    While it is open the kernel does not let anybody remove it; after the death of its owner anybody can, and
    with it goes everything that was switched on in it.
    """

    def __init__(self, root: Path, changes: Changes) -> None:
        sweep(root)
        self.root = root
        self.name = f"{PREFIX}-{os.getpid()}"
        #: Group of the probes that belong to this instance.
        self.group = f"{PREFIX}_{os.getpid()}"
        self.path = root / "instances" / self.name
        self._changes = changes
        self._held: int | None = None
        changes.on_undo(self._remove)
        self.path.mkdir()
        self._held = os.open(self.path / "tracing_on", os.O_WRONLY | os.O_CLOEXEC)
        self.switch(on=False)
        write(self.path / "trace_clock", TRACE_CLOCK)

    def switch(self, *, on: bool) -> None:
        """Let the buffer record, or not."""
        if self._held is not None:
            os.write(self._held, b"1" if on else b"0")

    def enable(self, event: str) -> bool:
        """Enable an event, `system` or `system/name`; return whether there is one."""
        path = self.path / "events" / event / "enable"
        if not path.exists():
            return False
        # Removing the instance would do it, but the probes are to be removed first, and enabled ones cannot be.
        self._changes.set(path, "1", "0")
        return True

    def option(self, name: str, value: str) -> bool:
        """Set an option; return whether this kernel has it here."""
        path = self.path / "options" / name
        if path.exists():
            write(path, value)
        return path.exists()

    def lost_events(self) -> int:
        """Return how many events were overwritten before they were read."""
        return sum(_counted(path, "overrun") for path in self.path.glob("per_cpu/cpu*/stats"))

    def _remove(self) -> None:
        if self._held is not None:
            os.close(self._held)
            self._held = None
        self.path.rmdir()


def entries(folder: Path) -> int:
    """Return how many events stand in a buffer."""
    return sum(_counted(path, "entries") for path in folder.glob("per_cpu/cpu*/stats"))


def _counted(stats: Path, what: str) -> int:
    found = re.search(rf"^{what}: (\d+)", stats.read_text(), re.MULTILINE)
    return int(found[1]) if found else 0


def define_probes(instance: Instance, changes: Changes, definitions: Iterable[str]) -> Iterator[bool]:
    """Define probes in the instance's group, one after the other; yield whether the kernel took each.

    A definition is a line for `kprobe_events` with `{group}` for the group (Documentation/trace/kprobetrace.rst).
    """
    path = instance.root / "kprobe_events"
    for definition in definitions:
        name = definition.format(group=instance.group).split()[0].partition(":")[2]
        try:
            write(path, definition.format(group=instance.group) + "\n", append=True)
        except OSError:
            yield False
        else:
            changes.on_undo(partial(write, path, f"-:{name}\n", append=True))
            yield True


def sweep(root: Path) -> None:
    """Remove what tracers left behind that were killed: instances nobody holds open, then their probes."""
    for path in (root / "instances").iterdir():
        if _OURS.fullmatch(path.name):
            with contextlib.suppress(OSError):  # EBUSY: its owner lives
                path.rmdir()
    with contextlib.suppress(OSError):
        for name, owner in _OUR_PROBE.findall((root / "kprobe_events").read_text()):
            if not (root / "instances" / f"{PREFIX}-{owner}").exists():
                with contextlib.suppress(OSError):
                    write(root / "kprobe_events", f"-:{name}\n", append=True)
