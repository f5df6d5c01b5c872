"""The kernel's log from a point in time on: /dev/kmsg (Documentation/ABI/testing/dev-kmsg)."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Iterator
from typing import NamedTuple

# CONSOLE_EXT_LOG_MAX: a read with less room than a record needs fails with EINVAL.
LARGEST_RECORD = 8192

# A record that printk has not finished shows up a little later than the system call's return.
SETTLE_SECONDS = 0.01

# Others may write faster than we read: then reading ends here.
LONGEST_SECONDS = 1.0

_HEADER = re.compile(rb"(\d+),(\d+),(\d+),([^,;]*)(?:,caller=([TC]\d+))?[^;]*;")
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


class LogRecord(NamedTuple):
    """One record. `time_us` counts from boot, `text` has the kernel's own escapes undone.

    `caller` is the task (T123) or processor (C0) that wrote it, where the kernel says so.
    """

    level: int
    facility: int
    sequence: int
    time_us: int
    flags: str
    text: str
    caller: str = ""

    @property
    def from_kernel(self) -> bool:
        """Tell kernel messages from those that programs wrote into /dev/kmsg."""
        return self.facility == 0


class KernelLog:
    """A cursor in the kernel's log: what is written after its creation can be read from it, once."""

    def __init__(self, descriptor: int) -> None:
        """Take over a non-blocking descriptor that gives one record a read."""
        self._descriptor = descriptor

    @classmethod
    def from_now_on(cls, path: str) -> KernelLog | None:
        """Return a cursor behind the newest record, or None where the log may not be read."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            os.lseek(descriptor, 0, os.SEEK_END)
        except OSError:
            os.close(descriptor)
            return None
        return cls(descriptor)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)

    def collect(self, settle: float = SETTLE_SECONDS) -> tuple[LogRecord, ...]:
        """Return the records since the last time, and those that come within `settle` seconds."""
        deadline = time.monotonic() + LONGEST_SECONDS
        records = list(self._waiting(deadline))
        time.sleep(settle)
        return (*records, *self._waiting(deadline))

    def _waiting(self, deadline: float) -> Iterator[LogRecord]:
        while time.monotonic() < deadline:
            try:
                raw = os.read(self._descriptor, LARGEST_RECORD)
            except BlockingIOError:
                return
            except BrokenPipeError:  # records were overwritten before we read them; the next read goes on behind
                continue
            except OSError:
                return
            if not raw:
                return
            with contextlib.suppress(ValueError):
                yield parse_record(raw)


def parse_record(raw: bytes) -> LogRecord:
    r"""Return a record read from /dev/kmsg: `prefix,sequence,time,flags[,more];text\n[ KEY=value\n…]`.

    Raises:
        ValueError: the bytes have no such header.
    """
    header = _HEADER.match(raw)
    if header is None:
        raise ValueError(f"not a record of /dev/kmsg: {raw[:40]!r}")
    message = raw[header.end() :].partition(b"\n")[0]
    plain = _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), message)
    prefix = int(header[1])
    return LogRecord(
        level=prefix & 7,
        facility=prefix >> 3,
        sequence=int(header[2]),
        time_us=int(header[3]),
        flags=header[4].decode("ascii", "replace"),
        text=plain.decode("utf-8", "surrogateescape"),
        caller=(header[5] or b"").decode("ascii"),
    )
