"""What `pyinsmod validate` measures, and where: in disposable machines, or on the running system."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pyinsmod.cli.machines import machine_room
from pyinsmod.cli.terminal import note
from tracer.claims import Claims
from tracer.compare import Run
from tracer.experiments.loaders import LOADERS
from vm.catalogue import KERNELS
from vm.kernel_store import Kernel, fetch, fetched


def measured(claims: Claims, names: Sequence[str], loaders: Sequence[str], options: argparse.Namespace) -> list[Run]:
    """Do what the command line asks for: on these kernels of the store, or here.

    Raises:
        UnknownKernel: for a name that is none.
        VmError: a kernel cannot be had, or no machine can be made.
    """
    if options.here:
        return _measured_here(claims, loaders)
    from pyinsmod.cli.laboratory import run_matrix

    how = {"fresh": options.fresh, "workers": options.workers}
    with machine_room(options.scheduler) as room:
        kernels = [_fetched_with_notice(name) for name in names]

        def runs(done: Callable[[str], None]) -> Coroutine[Any, Any, list[Run]]:
            return run_matrix(claims, kernels, loaders, room, note, done, **how)

        return _timed(claims, loaders, len(kernels), runs)


def why_not_here(options: argparse.Namespace, loaders: Sequence[str]) -> str | None:
    """Say why `--here` is not possible; None when it is."""
    from pyinsmod.cli import here

    missing = [name for name in loaders if name not in here.installed(loaders)]
    if options.kernel or options.workers or options.scheduler:
        return (
            "--here is about the running kernel, one experiment after the other: "
            "leave --kernel, --workers and --scheduler out"
        )
    if options.loader and missing:
        return f"the loader {missing[0]} is not installed here: there is no {LOADERS[missing[0]].program}"
    return here.problem()


def _measured_here(claims: Claims, loaders: Sequence[str]) -> list[Run]:
    from pyinsmod.cli import here

    there = here.installed(loaders)
    note(f"loading modules into the running kernel, {os.uname().release}; it will be tainted by unsigned ones")
    return _timed(claims, there, 1, lambda done: here.run_on_this_system(claims, there, note, done))


def _fetched_with_notice(name: str) -> Kernel:
    if name in KERNELS and fetched(name) is None:
        note(f"fetching kernel {name} from Debian's archive")
    return fetch(name)


def _timed(
    claims: Claims,
    loaders: Sequence[str],
    kernels: int,
    runs: Callable[[Callable[[str], None]], Coroutine[Any, Any, list[Run]]],
) -> list[Run]:
    """Do the runs; show how far they are and say how long they took."""
    from pyinsmod.cli.laboratory import needed_experiments, planned

    total = kernels * planned(needed_experiments(claims), loaders)
    started = time.monotonic()
    with _progress(total) as done:
        finished = asyncio.run(runs(done))
    note(f"{total} {'experiment' if total == 1 else 'experiments'} in {time.monotonic() - started:.1f} s")
    return finished


@contextmanager
def _progress(total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar on a terminal and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("experiments"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        yield lambda name: bar.update(task, advance=1, description=name)
