"""A tree's check of which nothing is done again that is known from an earlier one: file by file, and as a whole."""

from __future__ import annotations

from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Iterator, Sequence, cached_property
from pyinsmod.tree.basis import Basis
from pyinsmod.tree.found import Found
from pyinsmod.tree.grouping import KernelGroups, grouped
from pyinsmod.tree.kept_outcomes import KeptOutcomes
from pyinsmod.tree.notes import notes_of
from pyinsmod.tree.outcome import Common, Outcome
from pyinsmod.tree.results import ModuleResult, TreeNote
from pyinsmod.tree.side import Side
from pyinsmod.tree.target import Target
from pyinsmod.tree.tree_check import Engine, TreeCheck


class KnownTree:
    """Checks the modules of a tree against kernels; see TreeCheck for most of what it is given.

    Args:
        found: the files.
        kernels: the kernels, with their own modules.
        cache: where packed tables of exports are kept.
        whole: whether every finding of every module is wanted.
        relocations: whether relocations are looked at.
        engine: who does the work.
        kept: the folder in which what comes of the tree is kept for the next run; None keeps nothing.
    """

    def __init__(
        self,
        found: Found,
        kernels: Sequence[OtherKernel],
        cache: FactsCache | None = None,
        *,
        whole: bool = False,
        relocations: bool = True,
        engine: Engine | None = None,
        kept: str | None = None,
    ) -> None:
        self.found, self.kernels = found, kernels
        basis = Basis(kept, found.root, found.files, relocations=relocations)
        self._kept = KeptOutcomes(basis, whole=whole)
        self._outcomes: dict[str, Outcome] = {}
        unknown: list[Target] = []
        for kernel in kernels:
            target = Target(kernel, cache)
            outcome = self._kept.known(kernel, target)
            if outcome is None:
                unknown.append(target)
            else:
                self._outcomes[kernel.facts.name] = outcome
        self._check = TreeCheck(
            found,
            [kernel for kernel in kernels if kernel.facts.name not in self._outcomes],
            targets=unknown,
            whole=whole,
            relocations=relocations,
            engine=engine,
            kept=basis,
        )

    def run(self) -> Iterator[ModuleResult]:
        """Yield what comes of each file on each kernel, what is known already first."""
        for outcome in list(self._outcomes.values()):
            yield from outcome.results
        yield from self._find_out()

    def finish(self) -> None:
        """Find out what is not known."""
        for _ in self._find_out():
            pass

    def _find_out(self) -> Iterator[ModuleResult]:
        if not self._check.kernels:
            return
        number = {file: at for at, file in enumerate(self.found.files)}
        found: dict[str, dict[int, ModuleResult]] = {kernel.facts.name: {} for kernel in self._check.kernels}
        for result in self._check.run():
            found[result.kernel][number[result.file]] = result
            yield result
        for side in self._check.sides:
            results = found[side.target.facts.name]
            self._learn(side, [results[at] for at in range(len(number))])

    def _learn(self, side: Side, results: Sequence[ModuleResult]) -> None:
        """Take what was found out about all files on one kernel."""
        name = side.target.facts.name
        outcome = Outcome(self._check.common(), grouped(results, name), lambda: (results, side.needs))
        self._outcomes[name] = outcome
        self._kept.keep(side, outcome)

    # --- once that has come to its end

    @cached_property
    def results(self) -> Sequence[ModuleResult]:
        """All results in the order of the files, then of the kernels."""
        every = [self._outcomes[kernel.facts.name].results for kernel in self.kernels]
        return [result for of_file in zip(*every, strict=True) for result in of_file]

    def groups(self, kernel: str) -> KernelGroups:
        """Return one kernel's results by cause."""
        return self._outcomes[kernel].groups

    @property
    def common(self) -> Common:
        """What the modules of the tree are, whatever the kernel."""
        return next(iter(self._outcomes.values())).common

    def notes(self) -> list[TreeNote]:
        """Return what is to be said of the tree as a whole."""
        return notes_of(self.found, self.common, self._agreed)

    def _agreed(self, number: int) -> frozenset[int]:
        """Return which other files a file needs, as far as all kernels agree."""
        return frozenset.intersection(*(each.needs.get(number, frozenset()) for each in self._outcomes.values()))
