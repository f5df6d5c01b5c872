"""What came of a tree on one kernel, whether it was found out just now or is known from an earlier run."""

from __future__ import annotations

from pyinsmod.lean import Callable, Mapping, NamedTuple, Sequence, TypeAlias, cached_property
from pyinsmod.tree.grouping import KernelGroups
from pyinsmod.tree.results import ModuleResult

# The result of each file, in their order; number of a file → numbers of the files it needs.
Details: TypeAlias = tuple[Sequence[ModuleResult], Mapping[int, frozenset[int]]]


class Common(NamedTuple):
    """What the modules of a tree are, whatever the kernel.

    Attributes:
        names: of each file's module; None for what is none.
        repeated: symbol → numbers of the files that export it, where there are several.
        releases: of the kernels that the modules say they are built for.
    """

    names: tuple[bytes | None, ...]
    repeated: Mapping[bytes, Sequence[int]]
    releases: tuple[str, ...]


class Outcome:
    """One kernel's.

    Args:
        common: see there.
        groups: the results by cause.
        details: makes all results; it is called when they are asked for, which a report for people does not.
    """

    def __init__(self, common: Common, groups: KernelGroups, details: Callable[[], Details]) -> None:
        self.common, self.groups = common, groups
        self._make = details

    @cached_property
    def _details(self) -> Details:
        return self._make()

    @property
    def results(self) -> Sequence[ModuleResult]:
        """The result of each file."""
        return self._details[0]

    @property
    def needs(self) -> Mapping[int, frozenset[int]]:
        """Number of a file → numbers of the files it needs."""
        return self._details[1]
