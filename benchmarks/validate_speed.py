"""What the cells of the matrix cost: `pyinsmod validate` with more and more loaders, with one worker and with two.

Whole processes. Every experiment is measured anew, in a machine of its own, the snapshots are there before; with two
workers and with one in turn, so that a busy host is busy for both. At the end the largest run once more, with
what it recorded.

    .venv/bin/python benchmarks/validate_speed.py [KERNEL]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import NamedTuple

LOADERS = ("kmod", "kmod-28", "kmod-34", "busybox", "toybox")
COLUMNS = (1, 3, 5)  # so many loaders
CLAIMS = ("step-1-shell", "step-6-magic", "step-7-compares", "step-9-undefined", "step-13-aborted")
WORKERS = (1, 2)
ROUNDS = 3
WANTED = 1.7  # what two workers are to be faster by
NOTHING_CONTRADICTED = (0, 1)  # and contradicted: the run was sound either way


class Cost(NamedTuple):
    """Seconds of a whole run, and of the processors in it."""

    wall: float
    processors: float


def main(arguments: Sequence[str]) -> int:
    """Print a table."""
    kernel = arguments[0] if arguments else "6.1"
    validate(kernel, LOADERS, max(WORKERS))  # the snapshots, once
    each = f"{len(CLAIMS)} experiments and a version for each loader"
    print(f"validate --kernel {kernel} --fresh, {each} (median of {ROUNDS})\n")
    print("| loaders | cells | workers | seconds | a cell | processors | ratio |")
    print("|--------:|------:|--------:|--------:|-------:|-----------:|------:|")
    for number in COLUMNS:
        chosen, cells = LOADERS[:number], number * (len(CLAIMS) + 1)
        turns = [[validate(kernel, chosen, workers, "--fresh") for workers in WORKERS] for _ in range(ROUNDS)]
        ratio = statistics.median(one.wall / two.wall for one, two in turns)
        for workers, costs in zip(WORKERS, zip(*turns, strict=True), strict=True):
            wall, processors = (statistics.median(values) for values in zip(*costs, strict=True))
            told = f"{ratio:.2f}" if workers > 1 else ""
            row = f"{wall:.1f} | {wall / cells:.2f} | {processors:.1f} | {told}"
            print(f"| {number} | {cells} | {workers} | {row} |", flush=True)
    recorded = validate(kernel, LOADERS, max(WORKERS))
    print(f"\nwith everything recorded: {recorded.wall:.1f} s for {max(COLUMNS) * (len(CLAIMS) + 1)} cells", end="")
    print(f" (wanted: two workers at least {WANTED} times as fast as one)")
    return 0


def validate(kernel: str, loaders: Sequence[str], workers: int, *options: str) -> Cost:
    """Run the command and return what it took; a run in which a machine was lost is no measurement."""
    command = [sys.executable, "-m", "pyinsmod", "validate", "--kernel", kernel, "--workers", str(workers), *options]
    command += [word for name in loaders for word in ("--loader", name)]
    command += [word for claim in CLAIMS for word in ("--claim", claim)]
    before, started = os.times(), time.perf_counter()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    wall, after = time.perf_counter() - started, os.times()
    if done.returncode not in NOTHING_CONTRADICTED:
        raise SystemExit(f"validate failed: {done.stderr.decode(errors='replace')[-500:]}")
    children = after.children_user + after.children_system - before.children_user - before.children_system
    return Cost(wall, children)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
