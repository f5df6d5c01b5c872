"""A tree against kernels: the quick pass over all files, then dependencies, then the long way for the rest."""

from __future__ import annotations

import gc

from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Iterator, Mapping, Sequence
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.tree.found import Found
from pyinsmod.tree.quick import Key
from pyinsmod.tree.resolution import TreeExports
from pyinsmod.tree.results import ModuleResult, TreeNote
from pyinsmod.tree.scan import Plain, Row, Scanner
from pyinsmod.tree.side import Side
from pyinsmod.tree.target import Target
from pyinsmod.tree.workers import Lost, processors, spread

# Batches big enough that talking about them costs nothing, and small enough that all processors end together.
QUICK_BATCH, LONG_BATCH = 48, 4


class TreeCheck:
    """Checks the modules of a tree against kernels.

    Args:
        found: the files.
        kernels: the kernels, with their own modules.
        cache: where packed tables of exports are kept.
        relocations: whether relocations, and the tables the kernel follows, are looked at.
        whole: whether every finding of every module is wanted, and not just what groups them.
        workers: how many processes; as many as there are processors by default.
    """

    def __init__(
        self,
        found: Found,
        kernels: Sequence[OtherKernel],
        cache: FactsCache | None = None,
        *,
        whole: bool = False,
        relocations: bool = True,
        workers: int | None = None,
    ) -> None:
        self.found = found
        self.kernels = kernels
        self.targets = [Target(kernel, cache) for kernel in kernels]
        self._relocations = relocations
        self.rows: list[Row] = []
        self.exports = TreeExports(())
        self._workers = workers or processors()
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

    def notes(self) -> list[TreeNote]:
        """Return what is to be said of the tree as a whole, once `run` has come to its end."""
        from pyinsmod.tree.notes import notes_of

        every = [side.needs for side in self.sides]
        agreed = {
            number: frozenset.intersection(*(side.get(number, frozenset()) for side in every)) for number in every[0]
        }
        return notes_of(self.found, self.rows, self.exports, agreed)

    def needs(self, kernel: int) -> Mapping[int, frozenset[int]]:
        """Return which other files each file needs on a kernel, by their numbers."""
        return self.sides[kernel].needs

    # --- the quick pass

    def _scan(self) -> None:
        files = self.found.files
        for target in self.targets:
            _ = target.quick and (target.crcs, target.names)  # before the processes part, so that all of them have it
        scanner = Scanner(self.targets, relocations=self._relocations)
        rows: dict[int, list[Row]] = {}
        count = -(-len(files) // QUICK_BATCH)
        gc.freeze()

        def batch(number: int) -> tuple[list[Plain], list[tuple[tuple[int, Key], tuple[Plain, ...]]]]:
            gc.disable()
            return scanner.batch(files[number * QUICK_BATCH : (number + 1) * QUICK_BATCH])

        for answer in spread(count, batch, self._workers):
            if isinstance(answer, Lost):
                rows[answer.batch] = self._one_by_one(scanner, answer.batch)
            else:
                found, said = answer.value
                rows[answer.batch] = list(map(Row.from_plain, found))
                self._said.update((key, tuple(map(Finding._make, each))) for key, each in said)
        self.rows = [row for number in range(count) for row in rows.get(number) or self._one_by_one(scanner, number)]

    def _one_by_one(self, scanner: Scanner, batch: int) -> list[Row]:
        """Look at the files of a lost batch again, each in a process of its own: one of them may be the death of it."""
        files = self.found.files[batch * QUICK_BATCH : (batch + 1) * QUICK_BATCH]
        rows = [Row(None)] * len(files)
        for answer in spread(len(files), lambda number: scanner.batch([files[number]]), len(files)):
            if isinstance(answer, Lost):
                rows[answer.batch] = Row(None, fault=Finding("file", 3, "cannot-tell", answer.why))
            else:
                found, said = answer.value
                rows[answer.batch] = Row.from_plain(found[0])
                self._said.update((key, tuple(map(Finding._make, each))) for key, each in said)
        return rows

    # --- the long way

    def _long_way(self) -> Iterator[ModuleResult]:
        """Yield the results of what the quick pass could not settle, and then of what depends on that."""
        wanted = sorted({number for side in self.sides for number in side.long})
        batches = [wanted[at : at + LONG_BATCH] for at in range(0, len(wanted), LONG_BATCH)]
        if batches:
            for answer in spread(len(batches), lambda number: self._long_batch(batches[number]), self._workers):
                found = self._long_one_by_one(batches[answer.batch]) if isinstance(answer, Lost) else answer.value
                for number, kernel, findings in found:
                    self.sides[kernel].findings[number] = tuple(map(Finding._make, findings))
        for side in self.sides:
            side.settle()
        for number in range(len(self.rows)):
            yield from (side.result(number) for side in self.sides if number in side.waiting)

    def _long_batch(self, numbers: Sequence[int]) -> list[tuple[int, int, tuple[Plain, ...]]]:
        gc.enable()  # damaged files make garbage without end
        found = []
        for number in numbers:
            image = _image(self.found.files[number])
            for kernel, side in enumerate(self.sides):
                if number in side.long:
                    found.append((number, kernel, tuple(map(tuple, side.look_at(number, image)))))
        return found

    def _long_one_by_one(self, numbers: Sequence[int]) -> Iterator[tuple[int, int, tuple[Plain, ...]]]:
        for answer in spread(len(numbers), lambda place: self._long_batch([numbers[place]]), len(numbers)):
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
