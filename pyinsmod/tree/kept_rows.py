"""Rows of earlier runs: what the first pass made of a file, while file, kernel and this code are the same.

A row depends on the file's bytes, the kernel's facts, whether relocations are looked at, and our own sources. The bytes
are known by the file's device, inode, size and times, as make and git know them; a file that was changed just before a
run may change once more without its times doing so, and is not kept (git calls that racy). There is one kept file for
each tree and kernel, so that another kernel does not take away what is known of the first.
"""

from __future__ import annotations

import marshal
import os
import stat
import sys
import time

try:
    from _blake2 import blake2b
except ImportError:  # hashlib brings OpenSSL along
    from hashlib import blake2b

from pyinsmod import __version__
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import FACTS
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Any, Iterator, Mapping, NamedTuple, Sequence, TypeAlias, cached_property
from pyinsmod.tree import kept_files
from pyinsmod.tree.quick import Key
from pyinsmod.tree.scan import Plain, Row
from pyinsmod.tree.target import Target

# Device, inode, size, time of the last change of contents and of anything, in nanoseconds.
State: TypeAlias = tuple[int, int, int, int, int]
Said: TypeAlias = dict[tuple[int, Key], tuple[Finding, ...]]
# File systems count time in steps of up to two seconds (FAT).
YOUNG = 3_000_000_000
_WORD = 16
# Facts that no row depends on, or, as the image's, on files that are looked at for it.
_NOT_ASKED = ("exports", "providers", "btf")


class _Kept(NamedTuple):
    """Where the rows of one kernel are kept, and those that were there."""

    name: str
    word: bytes
    rows: Mapping[State, Plain]


class KeptRows:
    """The rows of a tree, kernel by kernel.

    Args:
        folder: where they are kept; None keeps nothing.
        root: the tree.
        relocations: whether relocations are looked at.
    """

    def __init__(self, folder: str | None, root: str, *, relocations: bool) -> None:
        self._folder, self._root, self._relocations = folder, root, relocations
        self._states: Sequence[State | None] = ()
        self._kept: list[_Kept | None] = []

    def known(
        self, files: Sequence[str], kernels: Sequence[OtherKernel], targets: Sequence[Target]
    ) -> tuple[list[list[Row | None]], Said]:
        """Return for each kernel the row of each file, None where it is not known, and what checks said for their keys.

        A row has the answer of that one kernel.
        """
        said: Said = {}
        self._kept = [self._of(*pair) for pair in zip(kernels, targets, strict=True)]
        if not any(self._kept):
            return [[None] * len(files) for _ in targets], said
        self._states = states_of(files, time.time_ns() - YOUNG)
        found: list[list[Row | None]] = []
        for place, kept in enumerate(self._kept):
            rows, answers = self._read(kept) if kept else ({}, {})
            try:
                found.append([Row.from_plain(rows[each]) if each in rows else None for each in self._states])
                said.update(((place, key), tuple(map(Finding._make, each))) for key, each in answers.items())
            except (TypeError, ValueError):
                found.append([None] * len(files))
                continue
            if kept is not None:
                self._kept[place] = kept._replace(rows=rows)
        return found, said

    def keep(self, rows: Sequence[Row], said: Said) -> None:
        """Keep the rows of all kernels, as far as they were not known."""
        for place, kept in enumerate(self._kept):
            if kept is None or self._folder is None:
                continue
            pairs = [(each, row) for each, row in zip(self._states, rows, strict=True) if each and row.fault is None]
            if kept.rows.keys() >= {each for each, _ in pairs}:
                continue
            parts = {each: kept.rows.get(each) or row.part(place).to_plain() for each, row in pairs}
            keys = {key for plain in parts.values() for each in plain[2] if each for key in each[0]}
            value = _shared(parts), {key: tuple(map(tuple, said[place, key])) for key in keys}
            kept_files.write(self._folder, kept.name, kept.word, value)

    def _of(self, kernel: OtherKernel, target: Target) -> _Kept | None:
        """Return where the rows of a kernel are kept; those of the one that runs are not, it changes all the time."""
        if self._folder is None or kernel.files is None:
            return None
        word = word_of(repr((self._sources, self._relocations, list(_depends(kernel, target)))))
        place = os.path.realpath(self._root), kernel.files, kernel.facts.name, self._relocations
        return _Kept(word_of(repr(place)).hex(), word, {})

    @cached_property
    def _sources(self) -> object:
        return sys.version, marshal.version, __version__, _state_of_sources()

    def _read(self, kept: _Kept) -> tuple[dict[State, Plain], dict[Key, Any]]:
        assert self._folder  # noqa: S101 - else there is nothing kept
        found = kept_files.read(self._folder, kept.name, kept.word)
        if not isinstance(found, tuple) or len(found) != 2 or not all(isinstance(part, dict) for part in found):
            return {}, {}
        return found


def states_of(files: Sequence[str], before: int) -> list[State | None]:
    """Return the states of files; None for one that is no file, or was changed after that time (ns since 1970)."""
    return list(map(_state_of, files, [before] * len(files)))


def _state_of(file: str, before: int) -> State | None:
    try:
        state = os.stat(file)  # noqa: PTH116 - see paths.py
    except OSError:
        return None
    changed = state.st_mtime_ns, state.st_ctime_ns
    if not stat.S_ISREG(state.st_mode) or max(changed) > before:
        return None
    return (state.st_dev, state.st_ino, state.st_size, *changed)


def word_of(text: str) -> bytes:
    """Return a word that is another one for another text."""
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=_WORD).digest()


def _depends(kernel: OtherKernel, target: Target) -> Iterator[object]:
    """Yield all that a row depends on of a kernel. No fact counts as asked for by that: --json names those that are."""
    facts = kernel.facts
    yield facts.name, facts.release, blake2b(target.packed.names + b"\n" + target.packed.crcs).digest()
    yield target.packed._replace(names=b"", crcs=b"")
    for name in FACTS:
        if name not in _NOT_ASKED:
            value, source = facts.unrecorded(name)
            yield name, _ordered(value), source
    for path in kernel.files or ():
        yield path, _state_of(path, sys.maxsize)


def _ordered(value: object) -> object:
    """Return what is written alike each time: sets are not."""
    if isinstance(value, frozenset):
        return sorted(value)
    return sorted(dict(value).items()) if isinstance(value, dict) else value


def _state_of_sources() -> list[tuple[object, ...]]:
    """Return what changes with any source of this package."""
    found = []
    folders = [os.path.dirname(os.path.dirname(__file__))]  # noqa: PTH120 - see paths.py
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                elif entry.name.endswith(".py"):
                    state = entry.stat()
                    found.append((entry.path, state.st_ino, state.st_size, state.st_mtime_ns))
    return sorted(found)


def _shared(rows: Mapping[State, Plain]) -> dict[State, Plain]:
    """Return the same rows with equal parts as one object, which is written once and read once."""
    same: dict[object, Any] = {}
    one = same.setdefault
    return {
        state: (name, exports, tuple([one(each, each) for each in answers]), imports, one(vermagic, vermagic), *rest)
        for state, (name, exports, answers, imports, vermagic, *rest) in rows.items()
    }
