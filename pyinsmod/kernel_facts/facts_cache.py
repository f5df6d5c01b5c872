"""Facts that take long to find out, kept in files: plain Python values, with what they were made from.

Whatever is wrong with such a file, the facts are found out anew: the cache is a matter of time, never of truth.
"""

from __future__ import annotations

import os

try:
    from _blake2 import blake2b
except ImportError:  # hashlib brings OpenSSL along, which takes longer to load than what is kept here
    from hashlib import blake2b

from pyinsmod import kept_files
from pyinsmod.lean import Callable, NamedTuple, T

_WORD = 16

# Who reads the facts, seen from this folder: facts are no older than these files.
_READERS = (
    *("boot_image.py", "config.py", "export_lookup.py", "features.py", "kernel_texts.py", "ksymtab.py", "lz4.py"),
    *("files.py", "headers.py", "kernel_files.py", "raw_exports.py", "raw_image.py"),
    *("module_tree.py", "other_kernel.py", "vmlinux.py"),
    *("../btf/__init__.py", "../btf/base.py", "../certificates.py", "../compression.py", "../der.py"),
    *("../elf_format.py", "../elf_image.py", "../module_exports.py", "../module_image.py"),
)


class FactsCache(NamedTuple):
    """The folder the files stand in; None keeps nothing."""

    folder: str | None = None

    def kept(self, name: str, made_from: tuple[str, ...], build: Callable[[], T]) -> T:
        """Return what `build` returned when it was called last for these files as they are now.

        Args:
            name: what kind of facts these are.
            made_from: files and folders; when one is changed or exchanged, the facts are built anew. The
                sources of this package count as well, so that no fact is older than the code that reads it.
            build: makes the facts; plain values only, such as marshal keeps.
        """
        if self.folder is None:
            return build()
        file, state = f"{name}-{_place(made_from)}", _state(made_from)
        kept: tuple[T] | None = kept_files.read(self.folder, file, state)
        if kept is None:
            kept = (build(),)
            kept_files.write(self.folder, file, state, kept)
        return kept[0]


def _place(paths: tuple[str, ...]) -> str:
    """Return a word for where the facts are from: one file of the cache for each place."""
    whole = "\n".join(map(os.path.realpath, paths))
    return blake2b(whole.encode("utf-8", "surrogateescape"), digest_size=_WORD).hexdigest()


def _state(paths: tuple[str, ...]) -> bytes:
    """Return a word that is another one as soon as a file is: by inode, size and time of its last change."""
    own = os.path.dirname(__file__)  # noqa: PTH120 - see paths.py
    word = blake2b(digest_size=_WORD)
    for path in (*paths, *(f"{own}/{reader}" for reader in _READERS)):
        word.update(repr(_state_of(path)).encode())
    return word.digest()


def _state_of(path: str) -> tuple[int, ...]:
    try:
        state = os.stat(path)  # noqa: PTH116 - see paths.py
    except OSError:
        return ()
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
