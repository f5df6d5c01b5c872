"""What a second worker of a Dask cluster is worth: every check of Debian's generic kernel against two others.

Scheduler and workers run before the clock does, as a cluster would. Whole `pyinsmod check` processes, in turn with one
worker and with two; all of it on this machine, so that the client, the scheduler and both workers share its processors.

    .venv/bin/python -m benchmarks.cluster_speed [ROUNDS]
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.generic_kernel import generic_kernel, modules_of
from benchmarks.markdown import limit, machine, table

ROUNDS = 3
WANTED = 1.7
KERNELS = ("6.12", "7.2")


def main(arguments: Sequence[str]) -> int:
    """Print a table and return the status."""
    rounds = int(arguments[0]) if arguments else ROUNDS
    modules = modules_of(generic_kernel())
    against = [word for kernel in KERNELS for word in ("--kernel", kernel)]
    command = (sys.executable, "-m", "pyinsmod", "check", str(modules), *against, "--json")
    taken: dict[str, list[float]] = {"one worker": [], "two workers": [], "here, without a cluster": []}
    with tempfile.TemporaryDirectory() as scratch:
        one, two = stack_of(Path(scratch), 1), stack_of(Path(scratch), 2)
        with one as first, two as second:
            ways = {"one worker": ("--scheduler", first), "two workers": ("--scheduler", second)}
            for number in range(rounds + 1):
                for name, seconds in taken.items():
                    spent = _seconds((*command, *ways.get(name, ())))
                    if number:
                        seconds.append(spent)
    rows = [(name, f"{min(seconds):.2f} s", f"{statistics.median(seconds):.2f} s") for name, seconds in taken.items()]
    print(machine())
    print(table("a whole kernel's modules against two kernels", ("best", "median"), rows))
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


def _seconds(command: Sequence[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
