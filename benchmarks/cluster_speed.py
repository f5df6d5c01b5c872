"""What a second worker of a Dask cluster is worth: every check of Debian's generic kernel against two others.

Scheduler and workers run before the clock does, as a cluster would. Whole `pyinsmod check` processes, in turn with one
worker and with two; all of it on this machine, so that the client, the scheduler and both workers share its processors.
So beside the times stands what two workers can come to here at all: how much faster two processes of plain Python are
than one after the other, and the processor time of client, scheduler and workers: one worker has a processor of its own
beside the client and the scheduler, two have not, and all of it divided by the processors is the least that it takes.

    .venv/bin/python -m benchmarks.cluster_speed [ROUNDS [MODULES]]
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.generic_kernel import generic_kernel, modules_of
from benchmarks.markdown import limit, machine, table

ROUNDS = 2
# Every check of so many modules takes long enough beside a client's start.
MODULES = 1000
SPIN = "for _ in range(30_000_000): pass"
WANTED = 1.7
# Kernels that a module of another one is judged by all checks for, and not refused at once.
KERNELS = ("6.1", "5.10")


def main(arguments: Sequence[str]) -> int:
    """Print a table and return the status."""
    rounds = int(arguments[0]) if arguments else ROUNDS
    wanted = int(arguments[1]) if len(arguments) > 1 else MODULES
    against = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    taken: dict[str, list[float]] = {"one worker": [], "two workers": [], "here, without a cluster": []}
    used: dict[str, list[Used]] = {name: [] for name in taken}
    with tempfile.TemporaryDirectory() as scratch:
        some = _some(modules_of(generic_kernel()), wanted, Path(scratch) / "modules")
        command = (sys.executable, "-m", "pyinsmod", "check", str(some), *against, "--json", "--no-cache")
        with stack_of(Path(scratch), 1) as first, stack_of(Path(scratch), 2) as second:
            stacks = {"one worker": first, "two workers": second}
            for number in range(rounds + 1):
                for name, seconds in taken.items():
                    stack = stacks.get(name)
                    spent, times = _seconds(command, stack)
                    print(f"round {number}, {name}: {spent:.1f} s", file=sys.stderr, flush=True)
                    if number:
                        seconds.append(spent)
                        used[name].append(times)
    rows = [
        (
            name,
            f"{min(seconds):.2f} s",
            f"{statistics.median(seconds):.2f} s",
            *map("{:.2f} s".format, _least(used[name])),
        )
        for name, seconds in taken.items()
    ]
    print(machine())
    columns = ("best", "median", "processor time of the client", "of the scheduler", "of the workers")
    print(table(f"{wanted} of a kernel's modules against two kernels, all checks", columns, rows))
    print(f"- two processes of plain Python side by side: {_side_by_side():.2f} times as fast as one after the other")
    _print_bound(_least(used["one worker"]), _least(used["two workers"]))
    ratio = min(taken["two workers"]) / min(taken["one worker"])
    print(limit("two workers / one worker", ratio, round(1 / WANTED, 2), f" ({1 / ratio:.2f} times as fast)"))
    return 0


def _print_bound(one: Used, two: Used) -> None:
    """Print how much faster two workers can be at most, by what has to be done on the processors there are.

    With one worker nothing takes longer than everything one after the other; with two, nothing less than everything
    spread evenly. Processors that share a core, or a host, do each less of it when both are at work.
    """
    count = os.cpu_count() or 1
    most, least = sum(one), sum(two) / count
    print(f"- the workers' processor time, two of them beside one: {two.workers / one.workers:.2f} ×")
    print(
        f"- by processor time one worker takes at most {most:.2f} s, two take {count} processors {least:.2f} s:"
        f" no more than {most / least:.2f} times as fast"
    )


class Used(NamedTuple):
    """Processor time in seconds."""

    client: float
    scheduler: float = 0.0
    workers: float = 0.0


class Stack(NamedTuple):
    """A scheduler's address, and its process and the workers'."""

    address: str
    scheduler: int
    workers: tuple[int, ...]


def _least(used: Sequence[Used]) -> Used:
    return Used(*map(min, zip(*used, strict=True)))


@contextlib.contextmanager
def stack_of(scratch: Path, workers: int) -> Iterator[Stack]:
    """Run a scheduler with so many workers."""
    file = scratch / f"scheduler-{workers}.json"
    with contextlib.ExitStack() as stack:

        def start(*command: str) -> int:
            process = subprocess.Popen(
                (sys.executable, "-m", *command, "--no-dashboard"),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}, start_new_session=True,
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)
            return process.pid

        scheduler = start(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file)
        )
        address = _address(file)
        worker = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--local-directory")
        leaders = tuple(start(*worker, str(scratch / f"{workers}-{number}")) for number in range(workers))
        yield Stack(address, scheduler, leaders)


def _address(file: Path) -> str:
    for _ in range(300):
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.1)
    raise TimeoutError("the scheduler does not say its address")


def _some(modules: Path, wanted: int, folder: Path) -> Path:
    """Return a folder of links to some of the modules."""
    folder.mkdir()
    files = sorted(modules.rglob("*.ko"))
    for number, file in enumerate(files[:: max(1, len(files) // wanted)][:wanted]):
        (folder / f"{number}-{file.name}").symlink_to(file)
    return folder


def _seconds(command: Sequence[str], stack: Stack | None) -> tuple[float, Used]:
    """Return how long a command takes, and how much processor time, that of the scheduler and the workers included."""
    leaders = (stack.scheduler, *stack.workers) if stack else ()
    way = ("--scheduler", stack.address) if stack else ()
    before, old = resource.getrusage(resource.RUSAGE_CHILDREN), _processor_times(leaders)
    started = time.perf_counter()
    subprocess.run((*command, *way), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    spent = time.perf_counter() - started
    after, new = resource.getrusage(resource.RUSAGE_CHILDREN), _processor_times(leaders)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    scheduler, *workers = (late - early for early, late in zip(old, new, strict=True)) if stack else (0.0,)
    return spent, Used(own, scheduler, sum(workers))


def _processor_times(leaders: Sequence[int]) -> list[float]:
    """Return the processor time of the sessions of these processes, those that have ended in them included."""
    found = dict.fromkeys(leaders, 0)
    for process in filter(str.isdigit, (entry.name for entry in Path("/proc").iterdir())):
        with contextlib.suppress(OSError):
            fields = Path("/proc", process, "stat").read_text().rpartition(")")[2].split()
            if int(fields[3]) in found:
                found[int(fields[3])] += sum(map(int, fields[11:15]))
    return [ticks / os.sysconf("SC_CLK_TCK") for ticks in found.values()]


def _side_by_side() -> float:
    """Return how much faster two processes are together than one after the other: 2 where nothing is shared."""
    started = time.perf_counter()
    for _ in range(2):
        subprocess.run((sys.executable, "-c", SPIN), check=True)
    alone = time.perf_counter() - started
    started = time.perf_counter()
    for process in [subprocess.Popen((sys.executable, "-c", SPIN)) for _ in range(2)]:
        process.wait()
    return alone / (time.perf_counter() - started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
