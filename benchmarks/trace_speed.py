"""Time our tracer beside strace and python-ptrace's strace.py: whole processes, in turn, in one run.

`python benchmarks/trace_speed.py [--pairs N] [--rounds N] [--calls N]`. Start-up and all; the best round counts.
Processor time (user and system, of tracer and traced command) is shown too: on a busy machine it says more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

LOOP = "import os\nfor _ in range({pairs}): os.close(os.open('/etc/passwd', os.O_RDONLY))"
MODULE_CALLS = "finit_module,init_module,delete_module"
OF_INTEREST = f"execve,openat,{MODULE_CALLS}"


class Competitor(NamedTuple):
    """One way to run a command."""

    name: str
    before: list[str]
    #: Name of another one, and how many times its time this one may take.
    limits: tuple[tuple[str, float], ...] = ()


class Race(NamedTuple):
    """One command, run in several ways."""

    title: str
    command: list[str]
    competitors: list[Competitor]


class Taken(NamedTuple):
    """What a run took: seconds on the clock, seconds of processors, peak memory of the tracer in KiB."""

    wall: float
    processor: float
    memory: int


def races(pairs: int, out: str) -> list[Race]:
    """Return what is measured."""
    ours = [sys.executable, "-m", "pyinsmod", "trace", "-o", out]
    strace = ["strace", "-f", "-o", out]
    python_ptrace = [sys.executable, str(Path(sys.executable).with_name("strace.py")), "-f", "-o", out, "--"]
    on_one_cpu = ["taskset", "-c", "0"]
    filtered = [*strace, "--seccomp-bpf", "-e"]
    plain = Competitor("untraced", [])
    return [
        Race(
            f"a loop of {pairs} pairs of open and close, every call",
            [sys.executable, "-I", "-S", "-c", LOOP.format(pairs=pairs)],
            [
                plain,
                Competitor("strace", strace),
                Competitor("strace, one CPU", [*on_one_cpu, *strace]),
                Competitor("strace.py", python_ptrace),
                Competitor(
                    "pyinsmod trace", [*ours, "--"], (("strace", 0.2), ("strace, one CPU", 1.5), ("strace.py", 0.2))
                ),
                Competitor("pyinsmod trace --format json", [*ours, "--format", "json", "--"]),
                Competitor("pyinsmod trace --pin never", [*ours, "--pin", "never", "--"]),
            ],
        ),
        Race(
            f"find /usr/lib -name '*.zz', {OF_INTEREST}",
            ["find", "/usr/lib", "-name", "*.zz"],
            [
                plain,
                Competitor("strace --seccomp-bpf", [*filtered, f"trace={OF_INTEREST}"]),
                Competitor("strace --seccomp-bpf, one CPU", [*on_one_cpu, *filtered, f"trace={OF_INTEREST}"]),
                Competitor("pyinsmod trace", [*ours, "--calls", OF_INTEREST, "--"], (("strace --seccomp-bpf", 1.0),)),
            ],
        ),
        Race(
            "dd of 100,000 single bytes, nothing of interest",
            ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=100000", "status=none"],
            [
                plain,
                Competitor("strace --seccomp-bpf", [*filtered, f"trace={MODULE_CALLS}"]),
                Competitor("pyinsmod trace", [*ours, "--calls", MODULE_CALLS, "--"], (("untraced", 1.5),)),
            ],
        ),
    ]


def main() -> int:
    """Print a table for each race, and how memory grows with the number of calls."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=20_000, help="pairs of open and close in the loop")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is run; the best counts")
    parser.add_argument("--calls", type=int, default=1_000_000, help="calls in the trace whose memory is measured")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        print("strace is missing: apt-get install strace", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "out")
        for race in races(options.pairs, out):
            show(race, measured(race, options.rounds))
        show_memory(options.calls, out)
    return 0


def measured(race: Race, rounds: int) -> dict[str, Taken]:
    """Return the best of each competitor, run in turn, so that a noisy minute hits all of them."""
    best: dict[str, Taken] = {}
    for _ in range(rounds):
        for each in race.competitors:
            taken = run([*each.before, *race.command])
            best[each.name] = min(best.get(each.name, taken), taken)
    return best


def run(command: list[str]) -> Taken:
    """Run a command without its output and return what it took."""
    start = time.perf_counter()
    nothing = os.open(os.devnull, os.O_WRONLY)
    actions = [(os.POSIX_SPAWN_DUP2, nothing, 1), (os.POSIX_SPAWN_CLOSE, nothing)]
    pid = os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    os.close(nothing)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"failed: {' '.join(command)}")
    return Taken(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)


def show(race: Race, best: dict[str, Taken]) -> None:
    """Print one race's table: seconds, processor seconds, and each limit with what was measured."""
    print(f"{race.title}\n\n{'':34} {'seconds':>8} {'processor':>10}")
    for each in race.competitors:
        taken = best[each.name]
        print(f"{each.name:34} {taken.wall:8.2f} {taken.processor:10.2f}")
        for other, limit in each.limits:
            ratio, processor = taken.wall / best[other].wall, taken.processor / best[other].processor
            verdict = "" if ratio <= limit else "  ← too slow"
            print(f"    {ratio:5.2f} × {other} (processor {processor:.2f} ×; limit {limit} ×){verdict}")
    print()


def show_memory(calls: int, out: str) -> None:
    """Print the tracer's peak memory for a tenth of the calls and for all of them."""
    print("peak memory")
    for count in (calls // 10, calls):
        command = [sys.executable, "-I", "-S", "-c", LOOP.format(pairs=count // 2)]
        taken = run([sys.executable, "-m", "pyinsmod", "trace", "-o", out, "--", *command])
        print(f"{count:10} calls {taken.memory / 1024:8.1f} MiB {taken.wall:8.1f} s")


if __name__ == "__main__":
    sys.exit(main())
