"""The kernel's log during a trace, its time stamps brought onto CLOCK_MONOTONIC.

/dev/kmsg stamps its lines with the scheduler's clock, in microseconds; that clock drifts from
CLOCK_MONOTONIC, so the distance is measured at the start: a marker line is written between two looks
at the clock. Half of their distance bounds the error, which goes into the header.
"""

from __future__ import annotations

import os
import time
from typing import Any

from tracer.errors import KernelSideUnavailable

DEVICE = "/dev/kmsg"
MARKER = b"<7>pyinsmod trace: clock marker\n"
RECORD_SIZE = 8192  # CONSOLE_EXT_LOG_MAX: the longest record the device hands out
SETTLE = 0.02  # seconds; a line without a newline is held back until the next one is printed


class KernelLog:
    """Reads the log from the moment of its creation on."""

    def __init__(self) -> None:
        try:
            self._device = os.open(DEVICE, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as refusal:
            raise KernelSideUnavailable(f"--kernel-events needs {DEVICE}: {refusal.strerror}") from refusal
        os.lseek(self._device, 0, os.SEEK_END)
        self.error_ns, self._offset = self._align()

    def _align(self) -> tuple[int, int]:
        before = time.monotonic_ns()
        os.write(self._device, MARKER)
        after = time.monotonic_ns()
        stamps = [record["t"] for record in self._read(0) if "clock marker" in record["text"]]
        middle = (before + after) // 2
        return (after - before) // 2 + 1000, middle - stamps[-1] if stamps else 0

    def stop(self) -> list[dict[str, Any]]:
        """Return the lines since the start as log records and close the device."""
        records = self._read(self._offset)
        time.sleep(SETTLE)
        records += self._read(self._offset)
        os.close(self._device)
        return records

    def _read(self, offset: int) -> list[dict[str, Any]]:
        records: list[dict[str, Any]] = []
        while True:
            try:
                raw = os.read(self._device, RECORD_SIZE)
            except BlockingIOError:
                return records
            except BrokenPipeError:  # overwritten before it was read; the next read continues after the gap
                continue
            records.append(log_record(raw, offset))


def log_record(raw: bytes, offset: int) -> dict[str, Any]:
    """Parse `PRIORITY,SEQUENCE,MICROSECONDS,FLAGS;TEXT` (Documentation/ABI/testing/dev-kmsg)."""
    head, _, rest = raw.decode("utf-8", "backslashreplace").partition(";")
    priority, sequence, microseconds = (int(number) for number in head.split(",")[:3])
    text = rest.partition("\n")[0]
    return {
        "type": "log",
        "t": int(microseconds) * 1000 + offset,
        "sequence": sequence,
        "level": priority & 7,
        "text": text,
    }
