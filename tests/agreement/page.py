"""What a page of results is made of: those of this run, and what it said before of all else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tests.agreement.kept import counts_of, runs_of
from tests.agreement.measure import Result


class Measured(NamedTuple):
    """All results of one kernel.

    Attributes:
        wanted: how many cases there are of each class, loaded or not.
        absent: faults that its modules cannot have: class and reason, and how many.
    """

    kernel: str
    release: str
    results: Sequence[Result]
    wanted: Mapping[str, int] = {}
    absent: Mapping[tuple[str, str], int] = {}


class Page(NamedTuple):
    """What stands on the page: this run's results, and what it said before of all else."""

    measured: Sequence[Measured]
    date: str
    order: Sequence[str]
    before: str

    @property
    def run(self) -> set[tuple[str, str]]:
        """Kernels and classes that have results of this run."""
        return {(kernel.kernel, result.case.kind) for kernel in self.measured for result in kernel.results}

    @property
    def names(self) -> list[str]:
        """The kernels of this run."""
        return [kernel.kernel for kernel in self.measured]

    @property
    def kernels(self) -> dict[str, str]:
        """The release of each kernel on the page, in the order they stand in."""
        kept = {row.kernel: row.cells[1] for row in counts_of(self.before, self.run)}
        found = {**kept, **{kernel.kernel: kernel.release for kernel in self.measured}}
        order = (*self.order, *found)
        return {name: found[name] for name in sorted(found, key=order.index)}

    def runs(self, heading: str) -> list[str]:
        """Return what stood below a heading about runs of which something is still on the page."""
        return runs_of(self.before, heading, {row.kernel for row in counts_of(self.before, self.run)})
