"""Rows of earlier runs: what the first pass made of a file, while file, kernel and this code are the same (see basis).

There is one kept file for each tree and kernel, so that another kernel does not take away what is known of the first.
"""

from __future__ import annotations

from pyinsmod import kept_files
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Any, Mapping, NamedTuple, Sequence, TypeAlias
from pyinsmod.tree.basis import Basis, State
from pyinsmod.tree.quick import Key
from pyinsmod.tree.scan import Plain, Row
from pyinsmod.tree.target import Target

Said: TypeAlias = dict[tuple[int, Key], tuple[Finding, ...]]


class _Kept(NamedTuple):
    """Where the rows of one kernel are kept, and those that were there."""

    name: str
    word: bytes
    rows: Mapping[State, Plain]


class KeptRows:
    """The rows of a tree, kernel by kernel."""

    def __init__(self, basis: Basis) -> None:
        self._basis = basis
        self._kept: list[_Kept | None] = []

    def known(self, kernels: Sequence[OtherKernel], targets: Sequence[Target]) -> tuple[list[list[Row | None]], Said]:
        """Return for each kernel the row of each file, None where it is not known, and what checks said for their keys.

        A row has the answer of that one kernel.
        """
        said: Said = {}
        self._kept = [self._of(*pair) for pair in zip(kernels, targets, strict=True)]
        if not any(self._kept):
            return [[None] * len(self._basis.files) for _ in targets], said
        states = self._basis.states
        found: list[list[Row | None]] = []
        for place, kept in enumerate(self._kept):
            rows, answers = self._read(kept) if kept else ({}, {})
            try:
                found.append([Row.from_plain(rows[each]) if each in rows else None for each in states])
                said.update(((place, key), tuple(map(Finding._make, each))) for key, each in answers.items())
            except (TypeError, ValueError):
                found.append([None] * len(states))
                continue
            if kept is not None:
                self._kept[place] = kept._replace(rows=rows)
        return found, said

    def keep(self, rows: Sequence[Row], said: Said) -> None:
        """Keep the rows of all kernels, as far as they were not known."""
        for place, kept in enumerate(self._kept):
            if kept is None or self._basis.folder is None:
                continue
            pairs = zip(self._basis.states, rows, strict=True)
            good = [(each, row) for each, row in pairs if each and row.fault is None]
            if kept.rows.keys() >= {each for each, _ in good}:
                continue
            parts = {each: kept.rows.get(each) or row.part(place).to_plain() for each, row in good}
            keys = {key for plain in parts.values() for each in plain[2] if each for key in each[0]}
            value = _shared(parts), {key: tuple(map(tuple, said[place, key])) for key in keys}
            kept_files.write(self._basis.folder, kept.name, kept.word, value)

    def _of(self, kernel: OtherKernel, target: Target) -> _Kept | None:
        word = self._basis.word(kernel, target)
        return None if word is None else _Kept(self._basis.name(kernel), word, {})

    def _read(self, kept: _Kept) -> tuple[dict[State, Plain], dict[Key, Any]]:
        assert self._basis.folder  # noqa: S101 - else there is nothing kept
        found = kept_files.read(self._basis.folder, kept.name, kept.word)
        if not isinstance(found, tuple) or len(found) != 2 or not all(isinstance(part, dict) for part in found):
            return {}, {}
        return found


def _shared(rows: Mapping[State, Plain]) -> dict[State, Plain]:
    """Return the same rows with equal parts as one object, which is written once and read once."""
    same: dict[object, Any] = {}
    one = same.setdefault
    return {
        state: (name, exports, tuple([one(each, each) for each in answers]), imports, one(vermagic, vermagic), *rest)
        for state, (name, exports, answers, imports, vermagic, *rest) in rows.items()
    }
