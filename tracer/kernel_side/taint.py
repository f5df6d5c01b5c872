"""How the kernel is tainted at one moment, as a `state` record (Documentation/admin-guide/tainted-kernels.rst)."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

TAINTED = Path("/proc/sys/kernel/tainted")
# Bit → letter of an oops, and what it says; data of the page above.
FLAGS = (
    ("P", "proprietary module"), ("F", "module was force loaded"), ("S", "kernel out of its specification"),
    ("R", "module was force unloaded"), ("M", "machine check"), ("B", "bad page"), ("U", "user asked for it"),
    ("D", "kernel died"), ("A", "ACPI table overridden"), ("W", "warning"), ("C", "staging driver"),
    ("I", "firmware bug worked around"), ("O", "externally built module"), ("E", "unsigned module"),
    ("L", "soft lockup"), ("K", "live patch"), ("X", "auxiliary"), ("T", "built with randomized structures"),
    ("N", "in-kernel test"), ("J", "userspace used a mutating debug operation"),
)  # fmt: skip


def taint_names(value: int) -> list[str]:
    """Return the flags of a taint value as `LETTER: words`; bits nobody knows as numbers."""
    return [
        f"{FLAGS[bit][0]}: {FLAGS[bit][1]}" if bit < len(FLAGS) else f"bit {bit}"
        for bit in range(value.bit_length())
        if value >> bit & 1
    ]


def taint_record(moment: str) -> dict[str, Any]:
    """Return a `state` record of kind `taint`; `value` is None where it cannot be read."""
    try:
        value = int(TAINTED.read_text())
    except (OSError, ValueError):
        value = None
    flags = [] if value is None else taint_names(value)
    return {
        "type": "state", "t": time.monotonic_ns(), "what": "taint", "moment": moment, "value": value, "flags": flags,
    }  # fmt: skip
