"""Outcomes of earlier runs: what came of a whole tree on a kernel, while not one of the files involved has changed.

A tree that nobody touched need not be thought through again, kernel by kernel: that costs more than to look at the
rows that are kept of its files. Results are packed by themselves, so that who wants no more than groups of them does
not unpack thousands.
"""

from __future__ import annotations

import marshal
import os
from array import array

from pyinsmod import kept_files
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Any, Iterator, Sequence, TypeAlias
from pyinsmod.prediction import Prediction
from pyinsmod.tree.basis import Basis, word_of
from pyinsmod.tree.grouping import Cause, Group, KernelGroups
from pyinsmod.tree.outcome import Common, Details, Outcome
from pyinsmod.tree.results import ModuleResult, Symbol
from pyinsmod.tree.side import Side
from pyinsmod.tree.target import Target

# A path, and device, inode, size and times of what is there; () for nothing.
_Seen: TypeAlias = tuple[str, tuple[int, ...]]


class KeptOutcomes:
    """The outcomes of a tree, kernel by kernel.

    Args:
        basis: the tree.
        whole: whether every finding of every module is wanted.
    """

    def __init__(self, basis: Basis, *, whole: bool) -> None:
        self._basis, self._whole = basis, whole

    def known(self, kernel: OtherKernel, target: Target) -> Outcome | None:
        """Return what came of the tree on a kernel, None when that is not known."""
        word = self._word(kernel, target)
        if word is None or self._basis.folder is None:
            return None
        kept = kept_files.read(self._basis.folder, self._basis.name(kernel, "outcome", self._whole), word)
        if kept is None:
            return None
        seen, asked, common, groups, details = kept
        if any(_state_of(path) != state for path, state in seen):
            return None
        if self._whole:
            for name in asked:  # --json names the sources of all facts that were asked for
                getattr(kernel.facts, name)
        files, name = self._basis.files, kernel.facts.name
        found = Common(*common)
        return Outcome(found, _groups(groups, name, files), lambda: _details(details, name, files, found.names))

    def keep(self, side: Side, outcome: Outcome) -> None:
        """Keep what came of it; not where a file could not be looked at, which may be otherwise the next time."""
        word = self._word(side.kernel, side.target)
        if word is None or self._basis.folder is None or side.has_unread_files():
            return
        seen = [(path, _state_of(path)) for path in _own_files(side)]
        if any(max(state[-2:], default=0) > self._basis.before for _, state in seen):
            return
        number = {file: at for at, file in enumerate(self._basis.files)}
        value = (
            seen,
            side.kernel.facts.asked(),
            tuple(outcome.common),
            _plain_groups(outcome.groups, number),
            marshal.dumps(_plain_details(outcome)),
        )
        kept_files.write(self._basis.folder, self._basis.name(side.kernel, "outcome", self._whole), word, value)

    def _word(self, kernel: OtherKernel, target: Target) -> bytes | None:
        word = self._basis.word(kernel, target)
        whole = None if word is None else self._basis.whole
        return None if word is None or whole is None else word_of(f"{word.hex()} {whole.hex()} {self._whole}")


def _own_files(side: Side) -> Iterator[str]:
    """Yield the files that tell of a kernel's own modules, and those themselves where they were asked."""
    files, tree = side.kernel.files, side.kernel.tree
    if files is not None and files.exports:
        yield files.exports
    if tree is not None:
        yield from tree.shown_by
        if side.asked_own_modules:
            yield from [module.path for module in tree.modules.values()]


def _state_of(path: str) -> tuple[int, ...]:
    try:
        state = os.stat(path)  # noqa: PTH116 - see paths.py
    except OSError:
        return ()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns


# --- to plain values and back


def _plain_groups(groups: KernelGroups, number: dict[str, int]) -> Any:
    plain = [
        (
            tuple(each.cause),
            array("I", map(number.__getitem__, each.files)).tobytes(),
            each.decisive,
            [(tuple(symbol), count) for symbol, count in each.symbols],
        )
        for each in groups.groups
    ]
    return groups.outcomes, plain


def _groups(plain: Any, kernel: str, files: Sequence[str]) -> KernelGroups:
    outcomes, groups = plain
    return KernelGroups(
        kernel,
        outcomes,
        tuple(
            Group(
                Cause(*cause),
                tuple(map(files.__getitem__, array("I", numbers))),
                decisive,
                tuple([(Symbol(*symbol), count) for symbol, count in symbols]),
            )
            for cause, numbers, decisive, symbols in groups
        ),
    )


class _Once(dict[int, Any]):
    """Makes something of an object once, and tells it again by the object's identity; what it makes is never none."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self._make = make
        self._objects: list[object] = []

    def of(self, given: Any) -> Any:
        """Return what was made of it."""
        made = self.get(id(given))
        if made is None:
            made = self[id(given)] = self._make(given)
            self._objects.append(given)  # so that its identity is never another one's
        return made


def _plain_details(outcome: Outcome) -> Any:
    """Return plain results: what many of them share is one object, which marshal writes once."""
    prediction, symbol = _Once(tuple), _Once(tuple)
    finding = _Once(tuple)
    findings = _Once(lambda each: tuple(map(finding.of, each)))
    results = [
        (prediction.of(each.prediction), findings.of(each.findings), tuple(map(symbol.of, each.symbols)), each.whole)
        for each in outcome.results
    ]
    return results, {number: tuple(owners) for number, owners in outcome.needs.items()}


def _details(packed: bytes, kernel: str, files: Sequence[str], names: Sequence[bytes | None]) -> Details:
    plain, needs = marshal.loads(packed)  # noqa: S302 - from this user's own file, whose checksum is right
    prediction, symbol = _Once(Prediction._make), _Once(Symbol._make)
    finding = _Once(Finding._make)
    findings = _Once(lambda each: tuple(map(finding.of, each)))
    texts = [None if name is None else name.decode("utf-8", "surrogateescape") for name in names]
    results = [
        ModuleResult(
            file, text, kernel, prediction.of(answer), findings.of(found), tuple(map(symbol.of, symbols)), whole
        )
        for file, text, (answer, found, symbols, whole) in zip(files, texts, plain, strict=True)
    ]
    return results, {number: frozenset(owners) for number, owners in needs.items()}
