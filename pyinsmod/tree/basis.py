"""What all that is kept of a tree depends on: its files as they are, the kernel, the options, and our own sources.

The bytes of a file are known by its device, inode, size and times, as make and git know them; a file that was changed
just before a run may change once more without its times doing so, and what is said of it is not kept (git calls that
racy).
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
from pyinsmod.kernel_facts.facts import FACTS
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Iterator, Sequence, TypeAlias, cached_property
from pyinsmod.tree.target import Target

# Device, inode, size, time of the last change of contents and of anything, in nanoseconds.
State: TypeAlias = tuple[int, int, int, int, int]
# File systems count time in steps of up to two seconds (FAT).
YOUNG = 3_000_000_000
_WORD = 16
# Facts that no row depends on, or, as the image's, on files that are looked at for it.
_NOT_ASKED = ("exports", "providers", "btf")


class Basis:
    """One tree as it is when this is made.

    Args:
        folder: where things are kept; None keeps nothing.
        root: the tree.
        files: its files.
        relocations: whether relocations are looked at.

    Attributes:
        before: what was changed after that time is not kept, in nanoseconds since 1970.
    """

    def __init__(self, folder: str | None, root: str, files: Sequence[str], *, relocations: bool) -> None:
        self.folder, self.root, self.files, self.relocations = folder, root, files, relocations
        self.before = time.time_ns() - YOUNG
        self._words: dict[int, bytes] = {}

    @cached_property
    def states(self) -> Sequence[State | None]:
        """The state of each file; None for one of which nothing is kept."""
        return [state_of(file, self.before) for file in self.files]

    @cached_property
    def whole(self) -> bytes | None:
        """A word that is another one as soon as any of the files is; None when nothing is kept of one of them."""
        if None in self.states:
            return None
        cut = len(self.root)  # the same tree by another name is the same
        return word_of(repr([(file[cut:], state) for file, state in zip(self.files, self.states, strict=True)]))

    def name(self, kernel: OtherKernel, *kind: object) -> str:
        """Return the name of the one file for things of a kind about this tree and a kernel."""
        place = os.path.realpath(self.root), kernel.files, kernel.facts.name, self.relocations, *kind
        return word_of(repr(place)).hex()

    def word(self, kernel: OtherKernel, target: Target) -> bytes | None:
        """Return a word that is another one as soon as a kernel, the options or our sources are.

        None when nothing is kept: the kernel that runs changes all the time.
        """
        if self.folder is None or kernel.files is None:
            return None
        if id(target) not in self._words:
            text = repr((self._sources, self.relocations, list(depends(kernel, target))))
            self._words[id(target)] = word_of(text)
        return self._words[id(target)]

    @cached_property
    def _sources(self) -> object:
        return sys.version, marshal.version, __version__, state_of_sources()


def state_of(file: str, before: int) -> State | None:
    """Return the state of a file; None for what is no file, or was changed after that time (ns since 1970)."""
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


def depends(kernel: OtherKernel, target: Target) -> Iterator[object]:
    """Yield all that a row depends on of a kernel. No fact counts as asked for by that: --json names those that are."""
    facts = kernel.facts
    yield facts.name, facts.release, blake2b(target.packed.names + b"\n" + target.packed.crcs).digest()
    yield target.packed._replace(names=b"", crcs=b"")
    for name in FACTS:
        if name not in _NOT_ASKED:
            value, source = facts.unrecorded(name)
            yield name, _ordered(value), source
    for path in kernel.files or ():
        yield path, state_of(path, sys.maxsize)


def _ordered(value: object) -> object:
    """Return what is written alike each time: sets are not."""
    if isinstance(value, frozenset):
        return sorted(value)
    return sorted(dict(value).items()) if isinstance(value, dict) else value


def state_of_sources() -> list[tuple[object, ...]]:
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
