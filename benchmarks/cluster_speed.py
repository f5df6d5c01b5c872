"""What a second worker of a Dask cluster is worth: checks of Debian's generic kernel, and experiments in machines.

Scheduler and workers run before the clock does, as a cluster would. Whole `pyinsmod check` and `pyinsmod validate`
processes, in turn with one worker and with two; all of it on this machine, so that the client, the scheduler and both
workers share its processors. So beside the times stands what two workers can come to here at all: how much faster two
processes of plain Python are than one after the other, and the processor time of client, scheduler and workers: one
worker has a processor of its own beside the client and the scheduler, two have not, and all of it divided by the
processors is the least that it takes.

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
from collections.abc import Iterator, Mapping, Sequence
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


# Experiments of `validate`, each in a fresh machine, with so many loaders.
EXPERIMENTS_ON = "6.1"
LOADERS = ("kmod", "kmod-28", "busybox", "toybox")
CLAIMS = ("step-1-shell", "step-6-magic", "step-7-compares", "step-9-undefined", "step-13-aborted")
NAMES = ("one worker", "two workers", "here, without a cluster")
# Refused and undecided modules are what is looked for; a lost machine is no measurement.
SOUND = {"check": (0, 1, 3), "validate": (0, 1)}


def main(arguments: Sequence[str]) -> int:
    """Print a table of the checks and one of the experiments, and return the status."""
    rounds = int(arguments[0]) if arguments else ROUNDS
    wanted = int(arguments[1]) if len(arguments) > 1 else MODULES
    print(machine())
    with tempfile.TemporaryDirectory() as scratch:
        some = _some(modules_of(generic_kernel()), wanted, Path(scratch) / "modules")
        with stack_of(Path(scratch), 1) as first, stack_of(Path(scratch), 2) as second:
            stacks = (first, second, None)
            print_table(
                f"{wanted} of a kernel's modules against two kernels, all checks",
                measured(_check(some), stacks, rounds),
            )
            cells = len(LOADERS) * (len(CLAIMS) + 1)
            print_table(f"{cells} experiments, each in a fresh machine", measured(_validate(), stacks, rounds))
    print(f"- two processes of plain Python side by side: {_side_by_side():.2f} times as fast as one after the other")
    return 0


def _check(modules: Path) -> Sequence[str]:
    against = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    return (sys.executable, "-m", "pyinsmod", "check", str(modules), *against, "--json", "--no-cache")


def _validate() -> Sequence[str]:
    loaders = [word for name in LOADERS for word in ("--loader", name)]
    claims = [word for claim in CLAIMS for word in ("--claim", claim)]
    return (sys.executable, "-m", "pyinsmod", "validate", "--kernel", EXPERIMENTS_ON, *loaders, *claims, "--fresh")


def measured(command: Sequence[str], stacks: Sequence[Stack | None], rounds: int) -> dict[str, list[Cost]]:
    """Run a command in turn on each stack; the first round fills caches and does not count."""
    taken: dict[str, list[Cost]] = {name: [] for name in NAMES}
    for number in range(rounds + 1):
        for (name, costs), stack in zip(taken.items(), stacks, strict=True):
            cost = _cost(command, stack)
            print(f"{command[3]}, round {number}, {name}: {cost.seconds:.1f} s", file=sys.stderr, flush=True)
            if number:
                costs.append(cost)
    return taken


def print_table(title: str, taken: Mapping[str, Sequence[Cost]]) -> None:
    """Print times, and whether two workers are as much faster as they should be."""
    seconds = {name: [cost.seconds for cost in costs] for name, costs in taken.items()}
    least = {name: Used(*map(min, zip(*(cost.used for cost in costs), strict=True))) for name, costs in taken.items()}
    rows = [
        (name, f"{min(each):.2f} s", f"{statistics.median(each):.2f} s", *map("{:.2f} s".format, least[name]))
        for name, each in seconds.items()
    ]
    columns = ("best", "median", "processor time of the client", "of the scheduler", "of the workers")
    print(table(title, columns, rows))
    one, two, _ = NAMES
    _print_bound(least[one], least[two])
    ratio = min(seconds[two]) / min(seconds[one])
    print(limit(f"{two} / {one}", ratio, round(1 / WANTED, 2), f" ({1 / ratio:.2f} times as fast)"))


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


class Cost(NamedTuple):
    """What a run took: seconds, and processor time."""

    seconds: float
    used: Used


class Stack(NamedTuple):
    """A scheduler's address, and its process and the workers'."""

    address: str
    scheduler: int
    workers: tuple[int, ...]


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


def _cost(command: Sequence[str], stack: Stack | None) -> Cost:
    """Run a command and return what it took, the processor time of the scheduler and the workers included."""
    leaders = (stack.scheduler, *stack.workers) if stack else ()
    way = ("--scheduler", stack.address) if stack else ()
    before, old = resource.getrusage(resource.RUSAGE_CHILDREN), _processor_times(leaders)
    started = time.perf_counter()
    done = subprocess.run((*command, *way), stdin=subprocess.DEVNULL, capture_output=True, check=False)
    spent = time.perf_counter() - started
    if done.returncode not in SOUND[command[3]]:
        raise SystemExit(f"{command[3]} failed: {done.stderr.decode(errors='replace')[-500:]}")
    after, new = resource.getrusage(resource.RUSAGE_CHILDREN), _processor_times(leaders)
    own = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    scheduler, *workers = (late - early for early, late in zip(old, new, strict=True)) if stack else (0.0,)
    return Cost(spent, Used(own, scheduler, sum(workers)))


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
