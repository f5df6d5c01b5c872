"""Run in a guest: load and unload a module over and over, untraced and traced in turn.

Arguments: the module's file, loads a turn, turns. Prints one JSON object of nanoseconds: for each way of tracing the
times of `finit_module` as the loading program saw them and, where traced, as the tracer recorded them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pyinsmod.cli import main
from pyinsmod.module_syscalls import delete_module, finit_module

WAYS: dict[str, tuple[str, ...] | None] = {
    "untraced": None,
    "traced": ("trace",),
    "with the kernel's side": ("trace", "--kernel-events"),
    "with the kernel's side, quick": ("trace", "--kernel-events", "--quick"),
}
TIMES, RECORDS = "times.json", "records.jsonl"


def loads(path: str, count: int) -> list[int]:
    """Load and unload `count` times; return what each finit_module took."""
    name = Path(path).stem
    times = []
    for _ in range(count):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        before = time.monotonic_ns()
        finit_module(descriptor, "", 0)
        times.append(time.monotonic_ns() - before)
        os.close(descriptor)
        delete_module(name, os.O_NONBLOCK)
    return times


def in_a_child(arguments: Sequence[str]) -> None:
    """Run `pyinsmod` in a child, so that each trace begins anew."""
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            status = main(list(arguments))
        finally:
            os._exit(status)
    if os.waitpid(pid, 0)[1]:
        sys.exit(f"failed: {' '.join(arguments)}")


def measure(path: str, count: int, turns: int) -> dict[str, dict[str, list[int]]]:
    """Go through all ways, turn by turn."""
    found: dict[str, dict[str, list[int]]] = defaultdict(lambda: {"loader": [], "tracer": []})
    loads(path, 2)  # the first ones find nothing in any cache
    for _ in range(turns):
        for way, options in WAYS.items():
            if options is None:
                found[way]["loader"] += loads(path, count)
                continue
            itself = (sys.executable, __file__, path, str(count))
            in_a_child([*options, "--format", "json", "--calls", "module-loading", "-o", RECORDS, "--", *itself])
            found[way]["loader"] += json.loads(Path(TIMES).read_text())
            found[way]["tracer"] += recorded()
    return found


def recorded() -> list[int]:
    """Return what the tracer recorded of each finit_module."""
    records = map(json.loads, Path(RECORDS).read_text().splitlines())
    return [one["duration"] for one in records if one["type"] == "syscall" and one["name"] == "finit_module"]


if __name__ == "__main__":
    if len(sys.argv) == 3:  # the traced part of it
        Path(TIMES).write_text(json.dumps(loads(sys.argv[1], int(sys.argv[2]))))
    else:
        json.dump(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])), sys.stdout)
