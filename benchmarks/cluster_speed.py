"""What a second worker of a Dask cluster is worth: every check of Debian's generic kernel against two others.

Scheduler and workers run before the clock does, as a cluster would. Whole `pyinsmod check` processes, in turn with one
worker and with two; all of it on this machine, so that the client, the scheduler and both workers share its processors.
So beside the times stands what two workers can come to here at all: how much faster two processes of plain Python are
than one after the other, and how much of the work is the client's and the scheduler's, which one worker waits for, too.

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
    used: dict[str, list[float]] = {name: [] for name in taken}
    with tempfile.TemporaryDirectory() as scratch:
        some = _some(modules_of(generic_kernel()), wanted, Path(scratch) / "modules")
        command = (sys.executable, "-m", "pyinsmod", "check", str(some), *against, "--json")
        one, two = stack_of(Path(scratch), 1), stack_of(Path(scratch), 2)
        with one as first, two as second:
            ways = {"one worker": ("--scheduler", first), "two workers": ("--scheduler", second)}
            for number in range(rounds + 1):
                for name, seconds in taken.items():
                    spent, own = _seconds((*command, *ways.get(name, ())))
                    print(f"round {number}, {name}: {spent:.1f} s", file=sys.stderr, flush=True)
                    if number:
                        seconds.append(spent)
                        used[name].append(own)
    rows = [
        (name, f"{min(seconds):.2f} s", f"{statistics.median(seconds):.2f} s", f"{min(used[name]):.2f} s")
        for name, seconds in taken.items()
    ]
    print(machine())
    columns = ("best", "median", "processor time of the client")
    print(table(f"{wanted} of a kernel's modules against two kernels, all checks", columns, rows))
    print(f"- two processes of plain Python side by side: {_side_by_side():.2f} times as fast as one after the other")
    ratio = min(taken["two workers"]) / min(taken["one worker"])
    print(limit("two workers / one worker", ratio, round(1 / WANTED, 2), f" ({1 / ratio:.2f} times as fast)"))
    return 0


@contextlib.contextmanager
def stack_of(scratch: Path, workers: int) -> Iterator[str]:
    """Run a scheduler with so many workers; yield its address."""
    file = scratch / f"scheduler-{workers}.json"
    with contextlib.ExitStack() as stack:

        def start(*command: str) -> None:
            process = subprocess.Popen(
                (sys.executable, "-m", *command, "--no-dashboard"),
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )  # fmt: skip
            stack.callback(process.wait)
            stack.callback(process.terminate)

        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
        address = _address(file)
        for number in range(workers):
            folder = scratch / f"{workers}-{number}"
            start("distributed.cli.dask_worker", address, "--nthreads", "1", "--local-directory", str(folder))
        yield address


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


def _seconds(command: Sequence[str]) -> tuple[float, float]:
    """Return how long a command takes, and how much processor time."""
    started, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - started, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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
