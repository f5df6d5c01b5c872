"""Where `try` and `validate` have their machines: on this host, or on the workers of a cluster."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from pyinsmod.cli.packages import need_machines
from vm.image import GuestContent
from vm.jobs import Job, JobResult, Output
from vm.kernel_store import Kernel
from vm.run import laboratory
from vm.snapshot import Progress


class FreshMachines(Protocol):
    """Machines of one kernel, one for each job, as `vm.run.Laboratory` makes them."""

    @property
    def identity(self) -> str:
        """Changes with everything a machine is made of."""

    @property
    def is_ready(self) -> bool:
        """Whether `ready` is done in a moment."""

    async def ready(self) -> object:
        """Do what comes before the first job."""

    def standing_by(self, *argv: str) -> FreshMachines:
        """Return machines in which a program stands by for a job."""

    async def run(self, job: Job, *, on_output: Output | None = None) -> JobResult:
        """Run a job; MachineEnded when its machine did not live to tell."""


Laboratories = Callable[[Kernel, GuestContent, Progress], AbstractAsyncContextManager[FreshMachines]]


@dataclass(frozen=True)
class MachineRoom:
    """Makes machines, and has places for so many side by side."""

    laboratory: Laboratories
    places: int


def add_scheduler(parser: argparse.ArgumentParser) -> None:
    """Add the option whose value `machine_room` takes."""
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="have the machines on the workers of this Dask scheduler, such as tcp://host:8786",
    )


@contextmanager
def machine_room(scheduler: str | None) -> Iterator[MachineRoom]:
    """Yield the room on this host, or that of a Dask cluster at an address.

    Raises:
        ModuleNotFoundError: a package is missing that machines on this host need.
        UsageError: a package is missing that a cluster needs.
        MachineLost: no scheduler answers there.
    """
    if scheduler is None:
        need_machines()
        yield MachineRoom(laboratory, os.cpu_count() or 1)
        return
    from pyinsmod.cli.cluster_machines import ClusterMachines

    with ClusterMachines(scheduler) as cluster:
        yield MachineRoom(cluster.laboratory, cluster.places())
