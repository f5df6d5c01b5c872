"""A tree against kernels: the quick pass over all files, then dependencies, then the long way for the rest."""

from __future__ import annotations

import gc

from pyinsmod.errors import MalformedModule, PyinsmodError
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Iterator, Protocol, Sequence
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.tree.basis import Basis
from pyinsmod.tree.found import Found
from pyinsmod.tree.kept_rows import KeptRows
from pyinsmod.tree.outcome import Common
from pyinsmod.tree.quick import Key
from pyinsmod.tree.resolution import TreeExports
from pyinsmod.tree.results import ModuleResult
from pyinsmod.tree.scan import Plain, Row, Scanned, Scanner
from pyinsmod.tree.side import Side
from pyinsmod.tree.target import Target
from pyinsmod.tree.workers import Done, Lost, processors, spread

# Batches big enough that talking about them costs nothing, and small enough that all processors end together: so many
# files of the quick pass, and of the long way.
QUICK_BATCH, LONG_BATCH = 48, 4


class EngineLost(PyinsmodError):
    """Whoever does the work is gone, and the rest of it cannot be done."""


class Engine(Protocol):
    """Who does the work of a tree: processes of this machine, or a cluster's (pyinsmod/cluster).

    Attributes:
        quick_batch: how many files of the quick pass make a batch.
        long_batch: how many files that go the long way.
    """

    quick_batch: int
    long_batch: int

    def scan(self, check: TreeCheck, batches: Sequence[Sequence[str]], places: Sequence[int]) -> Iterator[Done | Lost]:
        """Yield for each batch of files the fields of a `Scanned` for the kernels in these places, as they come."""

    def look_at(self, check: TreeCheck, batches: Sequence[Sequence[int]]) -> Iterator[Done | Lost]:
        """Yield for each batch of files' numbers what `TreeCheck.long_batch` returns, as they come."""


class LocalProcesses:
    """Processes that were forked off this one: they have all that it has."""

    quick_batch, long_batch = QUICK_BATCH, LONG_BATCH

    def __init__(self, workers: int | None = None) -> None:
        self._workers = workers or processors()

    def scan(self, check: TreeCheck, batches: Sequence[Sequence[str]], places: Sequence[int]) -> Iterator[Done | Lost]:
        """See Engine."""
        targets = [check.targets[place] for place in places]
        for target in targets:
            _ = target.quick and (target.crcs, target.names)  # before the processes part, so that all of them have it
        scanner = Scanner(targets, relocations=check.relocations)
        gc.freeze()

        def batch(number: int) -> tuple[object, ...]:
            gc.disable()
            return tuple(scanner.batch(batches[number]))

        yield from spread(len(batches), batch, self._count(batches))

    def look_at(self, check: TreeCheck, batches: Sequence[Sequence[int]]) -> Iterator[Done | Lost]:
        """See Engine."""
        yield from spread(len(batches), lambda number: check.long_batch(batches[number]), self._count(batches))

    def _count(self, batches: Sequence[Sequence[object]]) -> int:
        """One of the files of a lost batch may be the death of a process: each gets its own."""
        return len(batches) if all(len(batch) == 1 for batch in batches) else self._workers


class TreeCheck:
    """Checks the modules of a tree against kernels.

    Args:
        found: the files.
        kernels: the kernels, with their own modules.
        cache: where packed tables of exports are kept.
        targets: the kernels made ready, where that was done before.
        relocations: whether relocations, and the tables the kernel follows, are looked at.
        whole: whether every finding of every module is wanted, and not just what groups them.
        engine: who does the work; as many processes as there are processors by default.
        kept: where what came of each file is kept for the next run; None keeps nothing.
    """

    def __init__(
        self,
        found: Found,
        kernels: Sequence[OtherKernel],
        cache: FactsCache | None = None,
        *,
        targets: Sequence[Target] | None = None,
        whole: bool = False,
        relocations: bool = True,
        engine: Engine | None = None,
        kept: Basis | None = None,
    ) -> None:
        self.found = found
        self.kernels = kernels
        self.targets = [Target(kernel, cache) for kernel in kernels] if targets is None else targets
        self.relocations = relocations
        self.rows: list[Row] = []
        self.exports = TreeExports(())
        self._kept = KeptRows(kept or Basis(None, found.root, found.files, relocations=relocations))
        self._engine = engine or LocalProcesses()
        self._said: dict[tuple[int, Key], tuple[Finding, ...]] = {}
        pairs = zip(kernels, self.targets, strict=True)
        self.sides = [Side(kernel, target, place, whole=whole) for place, (kernel, target) in enumerate(pairs)]

    def run(self) -> Iterator[ModuleResult]:
        """Yield what comes of each file on each kernel: those that take longer come last."""
        self._scan()
        self.exports = TreeExports(self.rows)
        for side in self.sides:
            side.resolve(self.found.files, self.rows, self.exports, self._said)
        for number in range(len(self.rows)):
            for side in self.sides:
                if number not in side.waiting:
                    yield side.result(number)
        yield from self._long_way()

    def common(self) -> Common:
        """Return what the modules are whatever the kernel, once `run` has come to its end."""
        releases = {row.vermagic.partition(b" ")[0].decode(errors="replace") for row in self.rows if row.vermagic}
        return Common(tuple([row.name for row in self.rows]), self.exports.repeated, tuple(sorted(releases)))

    # --- the quick pass

    def _scan(self) -> None:
        """Look at the files of which it is not known what comes of them, for those kernels of which it is not."""
        known, said = self._kept.known(self.kernels, self.targets)
        self._said.update(said)
        unknown: dict[tuple[int, ...], list[int]] = {}
        for number, rows in enumerate(zip(*known, strict=True)):
            if None in rows:
                unknown.setdefault(tuple([place for place, row in enumerate(rows) if row is None]), []).append(number)
        for places, numbers in unknown.items():
            for number, row in zip(
                numbers, self._scanned(places, [self.found.files[each] for each in numbers]), strict=True
            ):
                for at, place in enumerate(places):
                    known[place][number] = row.part(at)
        self.rows = [Row.joined([row for row in rows if row is not None]) for rows in zip(*known, strict=True)]
        self._kept.keep(self.rows, self._said)

    def _scanned(self, places: Sequence[int], files: Sequence[str]) -> list[Row]:
        size = self._engine.quick_batch
        batches = [files[at : at + size] for at in range(0, len(files), size)]
        rows: dict[int, list[Row]] = {}
        for answer in self._engine.scan(self, batches, places):
            if isinstance(answer, Lost):
                rows[answer.batch] = self._one_by_one(batches[answer.batch], places)
            else:
                rows[answer.batch] = self._taken(Scanned(*answer.value), places)
        return [row for at, batch in enumerate(batches) for row in rows.get(at) or self._one_by_one(batch, places)]

    def _taken(self, found: Scanned, places: Sequence[int]) -> list[Row]:
        self._said.update(((places[at], key), tuple(map(Finding._make, each))) for (at, key), each in found.said)
        return list(map(Row.from_plain, found.rows))

    def _one_by_one(self, files: Sequence[str], places: Sequence[int]) -> list[Row]:
        """Look at the files of a lost batch again, each by itself: one of them may be the death of a process."""
        rows = [Row(None)] * len(files)
        for answer in self._engine.scan(self, [[file] for file in files], places):
            if isinstance(answer, Lost):
                rows[answer.batch] = Row(None, fault=Finding("file", 3, "cannot-tell", answer.why))
            else:
                (rows[answer.batch],) = self._taken(Scanned(*answer.value), places)
        return rows

    # --- the long way

    def _long_way(self) -> Iterator[ModuleResult]:
        """Yield the results of what the quick pass could not settle, and then of what depends on that."""
        wanted = sorted({number for side in self.sides for number in side.long})
        size = self._engine.long_batch
        batches = [wanted[at : at + size] for at in range(0, len(wanted), size)]
        told: set[tuple[int, int]] = set()
        if batches:
            for answer in self._engine.look_at(self, batches):
                found = self._long_one_by_one(batches[answer.batch]) if isinstance(answer, Lost) else answer.value
                for number, kernel, findings in found:
                    side = self.sides[kernel]
                    side.findings[number] = tuple(map(Finding._make, findings))
                    if side.is_settled(number):
                        told.add((number, kernel))
                        yield side.result(number)
        for side in self.sides:
            side.settle()
        for number in range(len(self.rows)):
            for kernel, side in enumerate(self.sides):
                if number in side.waiting and (number, kernel) not in told:
                    yield side.result(number)

    def long_batch(self, numbers: Sequence[int]) -> list[tuple[int, int, tuple[Plain, ...]]]:
        """Return (number, kernel, findings) for some files on the kernels on which they go the long way."""
        gc.enable()  # damaged files make garbage without end
        found = []
        for number in numbers:
            image = _image(self.found.files[number])
            for kernel, side in enumerate(self.sides):
                if number in side.long:
                    found.append((number, kernel, tuple(map(tuple, side.look_at(number, image)))))
        return found

    def _long_one_by_one(self, numbers: Sequence[int]) -> Iterator[tuple[int, int, tuple[Plain, ...]]]:
        for answer in self._engine.look_at(self, [[number] for number in numbers]):
            if isinstance(answer, Lost):
                why = tuple(Finding("file", 3, "cannot-tell", answer.why))
                for kernel, side in enumerate(self.sides):
                    if numbers[answer.batch] in side.long:
                        yield numbers[answer.batch], kernel, (why,)
            else:
                yield from answer.value


def _image(file: str) -> ModuleImage | Finding:
    """Return a module's image, or what became of its file since the first pass."""
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 - see paths.py
            return read_image(opened.read())
    except OSError as error:
        return Finding("file", 2, "cannot-tell", f"cannot be read: {error.strerror}")
    except MalformedModule as error:
        return Finding("file", 3, "cannot-tell", str(error))
