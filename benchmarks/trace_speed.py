"""Time our tracer beside strace and python-ptrace's strace.py: whole processes, in turn, in one run.

`python benchmarks/trace_speed.py [--pairs N] [--rounds N] [--calls N]`. Start-up and all; the best round counts.
Processor time (user and system, of tracer and traced command) is shown too: on a busy machine it says more. It cannot
show what is slow about a tracer as started, though, which is waiting: on an idle machine each stop wakes another CPU.
What is printed is Markdown, for the README.
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

from benchmarks.markdown import limit, machine, table

LOOP = "import os\nfor _ in range({pairs}): os.close(os.open('/etc/passwd', os.O_RDONLY))"
DIFFERENT = "import os\nfor n in range({calls}): os.access(f'/nonexistent/{{n}}', 0)"
MODULE_CALLS = "finit_module,init_module,delete_module"
OF_INTEREST = f"execve,openat,{MODULE_CALLS}"


#: What the installed `pyinsmod` is, as pip 26 writes it; older ones have it import `re` before anything else.
PROGRAM = "from pyinsmod.cli import program; program()"


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


class Ways:
    """The ways to run a command, with a trace written to `out`."""

    def __init__(self, out: str) -> None:
        self.ours = [sys.executable, "-c", PROGRAM, "trace", "-o", out]
        self.strace = ["strace", "-f", "-o", out]
        self.python_ptrace = [sys.executable, str(Path(sys.executable).with_name("strace.py")), "-f", "-o", out, "--"]
        self.filtered = [*self.strace, "--seccomp-bpf", "-e"]


PLAIN = Competitor("untraced", [])
ON_ONE_CPU = ["taskset", "-c", "0"]
# The least that any tracer in Python can take.
FIRST_PYTHON = ["sh", "-c", 'shift; "$0" -c pass; exec "$@"', sys.executable]
PYTHON = [sys.executable, "-I", "-S", "-c"]


def races(pairs: int, out: str) -> list[Race]:
    """Return what is measured."""
    ways = Ways(out)
    return [_same_calls(pairs, ways), _different_calls(2 * pairs, ways), _some_calls(ways), _no_call(ways)]


def _same_calls(pairs: int, ways: Ways) -> Race:
    limits = (("strace", 0.2), ("strace, one CPU", 1.5), ("strace.py", 0.2))
    return Race(
        f"a loop of {pairs} pairs of open and close, every call",
        [*PYTHON, LOOP.format(pairs=pairs)],
        [
            PLAIN,
            Competitor("strace", ways.strace),
            Competitor("strace, one CPU", [*ON_ONE_CPU, *ways.strace]),
            Competitor("strace.py", ways.python_ptrace),
            Competitor("pyinsmod trace", [*ways.ours, "--"], limits),
            Competitor("pyinsmod trace --format json", [*ways.ours, "--format", "json", "--"]),
            Competitor("pyinsmod trace --pin never", [*ways.ours, "--pin", "never", "--"]),
        ],
    )


def _different_calls(calls: int, ways: Ways) -> Race:
    return Race(
        f"{calls} calls, no two alike, every call",
        [*PYTHON, DIFFERENT.format(calls=calls)],
        [
            PLAIN,
            Competitor("strace, one CPU", [*ON_ONE_CPU, *ways.strace]),
            Competitor("pyinsmod trace", [*ways.ours, "--"]),
        ],
    )


def _some_calls(ways: Ways) -> Race:
    filtered = [*ways.filtered, f"trace={OF_INTEREST}"]
    ours = [*ways.ours, "--calls", OF_INTEREST, "--"]
    return Race(
        f"find /usr/lib -name '*.zz', {OF_INTEREST}",
        ["find", "/usr/lib", "-name", "*.zz"],
        [
            PLAIN,
            Competitor("strace --seccomp-bpf", filtered),
            Competitor("strace --seccomp-bpf, one CPU", [*ON_ONE_CPU, *filtered]),
            Competitor("pyinsmod trace", ours, (("strace --seccomp-bpf", 1.0),)),
        ],
    )


def _no_call(ways: Ways) -> Race:
    return Race(
        "dd of 100,000 single bytes, nothing of interest",
        ["dd", "if=/dev/zero", "of=/dev/null", "bs=1", "count=100000", "status=none"],
        [
            PLAIN,
            Competitor("python3 -c pass, then untraced", [*FIRST_PYTHON, "--"]),
            Competitor("strace --seccomp-bpf", [*ways.filtered, f"trace={MODULE_CALLS}"]),
            Competitor("pyinsmod trace", [*ways.ours, "--calls", MODULE_CALLS, "--"], (("untraced", 1.5),)),
        ],
    )


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
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its byte code
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "out")
        run([sys.executable, "-c", PROGRAM, "trace", "-o", out, "--", "true"])  # and now we have ours, too
        print(machine("Before"))
        for race in races(options.pairs, out):
            show(race, measured(race, options.rounds))
        show_memory(options.calls, out)
        print(machine("After"))
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
    """Print one race's table, and each limit with what was measured."""
    rows = [(name, f"{taken.wall:.2f}", f"{taken.processor:.2f}") for name, taken in best.items()]
    print(table(race.title, ("seconds", "processor"), rows))
    for each in race.competitors:
        for other, wanted in each.limits:
            one, two = best[each.name], best[other]
            note = f" (processor {one.processor / two.processor:.2f} ×)"
            print(limit(f"{each.name} / {other}", one.wall / two.wall, wanted, note))
    print()


def show_memory(calls: int, out: str) -> None:
    """Print the tracer's peak memory for a tenth of the calls and for all of them."""
    peaks, rows = [], []
    for count in (calls // 10, calls):
        command = [sys.executable, "-I", "-S", "-c", LOOP.format(pairs=count // 2)]
        taken = run([sys.executable, "-c", PROGRAM, "trace", "-o", out, "--", *command])
        peaks.append(taken.memory)
        rows.append((f"{count} calls", f"{taken.memory / 1024:.1f}", f"{taken.wall:.1f}"))
    print(table("peak memory of the tracer", ("MiB", "seconds"), rows))
    print(limit("ten times the calls", peaks[1] / peaks[0], 1.05) + "\n")


if __name__ == "__main__":
    sys.exit(main())
