"""The kernel's log during a trace, its time stamps brought onto CLOCK_MONOTONIC.

/dev/kmsg stamps its lines with the scheduler's clock, in microseconds; that clock drifts from
CLOCK_MONOTONIC, so the distance is measured at the start: a marker line is written between two looks
at the clock. Half of their distance bounds the error, which goes into the header.
"""

from __future__ import annotations

import os
import time
from typing import Any

from pyinsmod.kernel_log import KernelLog, LogRecord
from tracer.errors import KernelSideUnavailable
from tracer.escapes import escaped

DEVICE = "/dev/kmsg"
MARKER = b"<7>pyinsmod trace: clock marker\n"
SETTLE = 0.02  # seconds; a line without a newline is held back until the next one is printed


class AlignedLog:
    """Reads the log from the moment of its creation on."""

    def __init__(self) -> None:
        log = KernelLog.from_now_on(DEVICE)
        if log is None:
            raise KernelSideUnavailable(f"--kernel-events needs {DEVICE}, which may not be read here")
        self._log = log
        self.error_ns, self._offset = self._align()

    def _align(self) -> tuple[int, int]:
        try:
            device = os.open(DEVICE, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as refusal:
            self._log.close()
            raise KernelSideUnavailable(f"--kernel-events needs {DEVICE}: {refusal.strerror}") from refusal
        before = time.monotonic_ns()
        os.write(device, MARKER)
        after = time.monotonic_ns()
        os.close(device)
        stamps = [record.time_us * 1000 for record in self._log.collect(settle=0) if "clock marker" in record.text]
        return (after - before) // 2 + 1000, (before + after) // 2 - stamps[-1] if stamps else 0

    def stop(self) -> list[dict[str, Any]]:
        """Return the lines since the start as log records and close the device."""
        records = [log_record(record, self._offset) for record in self._log.collect(settle=SETTLE)]
        self._log.close()
        return records


def log_record(record: LogRecord, offset: int) -> dict[str, Any]:
    """Return a line of the log as a trace has it; `offset` in nanoseconds brings it onto CLOCK_MONOTONIC."""
    return {
        "type": "log",
        "t": record.time_us * 1000 + offset,
        "sequence": record.sequence,
        "level": record.level,
        "text": escaped(record.text.encode("utf-8", "surrogateescape")),
    }
