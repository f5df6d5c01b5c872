"""Time a loop of open/close under our tracer and under strace, pinned to one CPU and not, in one run.

`python benchmarks/trace_speed.py [PAIRS [ROUNDS]]`. Whole processes, start-up and all; the best round counts.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LOOP = "import os\nfor _ in range({pairs}): os.close(os.open('/etc/passwd', os.O_RDONLY))"
REFERENCES = ("strace", "strace, one CPU")


def competitors(out: str) -> dict[str, list[str]]:
    """Return name → what to put before the traced command."""
    ours = [sys.executable, "-m", "pyinsmod", "trace", "-o", out]
    strace = ["strace", "-f", "-o", out]
    return {
        "untraced": [],
        "strace": strace,
        "strace, one CPU": ["taskset", "-c", "0", *strace],
        "strace --seccomp-bpf -e open…,close": [*strace, "--seccomp-bpf", "-e", "trace=open,openat,close"],
        "strace --seccomp-bpf, no call of the loop": [*strace, "--seccomp-bpf", "-e", "trace=execve,mmap"],
        "pyinsmod trace": [*ours, "--"],
        "pyinsmod trace --format json": [*ours, "--format", "json", "--"],
        "pyinsmod trace --pin never": [*ours, "--pin", "never", "--"],
        "pyinsmod trace --calls open…,close": [*ours, "--calls", "open,openat,close", "--"],
        "pyinsmod trace, no call of the loop": [*ours, "--calls", "execve,mmap", "--"],
    }


def main() -> int:
    """Print the table."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    if shutil.which("strace") is None:
        print("strace is missing: apt-get install strace", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        loop = [sys.executable, "-I", "-S", "-c", LOOP.format(pairs=pairs)]
        before = competitors(str(Path(folder) / "out"))
        best = dict.fromkeys(before, float("inf"))
        for _ in range(rounds):  # in turn, so that a noisy minute hits all of them
            for name, prefix in before.items():
                best[name] = min(best[name], seconds([*prefix, *loop]))
    print(f"{pairs} pairs of open and close, best of {rounds}\n")
    print(f"{'':45} {'seconds':>8} {'/ strace':>9} {'/ strace, one CPU':>18}")
    for name, time_taken in best.items():
        ratios = [time_taken / best[reference] for reference in REFERENCES]
        print(f"{name:45} {time_taken:8.2f} {ratios[0]:9.2f} {ratios[1]:18.2f}")
    return 0


def seconds(command: list[str]) -> float:
    """Return the wall time of a command."""
    start = time.perf_counter()
    subprocess.run(command, check=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
