"""Keep tracer and tracee on one CPU: at a stop the other one then runs at once, without waking a second CPU.

Nearly all of the time of an unpinned trace goes into that waking. The tracee inherits the affinity and can
see it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_cpu(pid: int, *, wanted: bool) -> Iterator[int | None]:
    """Pin this thread and process `pid` to the CPU this thread runs on; give that CPU, None when not pinned.

    This thread's own affinity is restored at the end. Where the kernel refuses (a container's profile may),
    the trace is merely slower.
    """
    before = os.sched_getaffinity(0)
    cpu = _current_cpu()
    if not wanted or len(before) == 1 or cpu not in before:
        yield None
        return
    try:
        os.sched_setaffinity(pid, {cpu})
        os.sched_setaffinity(0, {cpu})
    except OSError:
        os.sched_setaffinity(0, before)
        yield None
        return
    try:
        yield cpu
    finally:
        os.sched_setaffinity(0, before)


def _current_cpu() -> int:
    """Return the CPU this thread last ran on: field 39 of /proc/thread-self/stat (proc(5))."""
    stat = Path("/proc/thread-self/stat").read_text(encoding="ascii", errors="replace")
    return int(stat.rpartition(")")[2].split()[36])
