"""Facts that take long to find out, kept in files: plain Python values, with what they were made from.

Whatever is wrong with such a file, the facts are found out anew: the cache is a matter of time, never of truth.
"""

from __future__ import annotations

import marshal
import os
import zlib
from contextlib import suppress

try:
    from _blake2 import blake2b
except ImportError:  # hashlib brings OpenSSL along, which takes longer to load than what is kept here
    from hashlib import blake2b

from pyinsmod.lean import Any, Callable, NamedTuple, T

_MAGIC = b"pyinsmod facts\n"
_WORD, _CHECKSUM = 16, 4

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
        path = f"{self.folder}/{name}-{_place(made_from)}"
        state = _state(made_from)
        kept = _read(path, state)
        if kept is None:
            kept = (build(),)
            _write(path, state, marshal.dumps(kept[0]))  # type: ignore[arg-type]  # the caller gives plain values
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


def _read(path: str, state: bytes) -> tuple[Any] | None:
    """Return the value, in a tuple; None when there is none, an old one, or one that was not written whole."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - see paths.py
            raw = file.read()
        body = memoryview(raw)[len(_beginning(state, b"")) :]
        if raw[: len(raw) - len(body)] != _beginning(state, body):
            return None
        return (marshal.loads(body),)  # noqa: S302 - the user's own file, and its checksum is right
    except (OSError, ValueError, EOFError, TypeError):
        return None


def _write(path: str, state: bytes, body: bytes) -> None:
    """Write the file whole or not at all; a cache that cannot be written is none, and nobody needs to know."""
    scratch = f"{path}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120 - see paths.py
        with open(scratch, "xb") as file:  # noqa: PTH123 - see paths.py
            file.write(_beginning(state, body) + body)
        os.replace(scratch, path)  # noqa: PTH105 - see paths.py
    except OSError:
        with suppress(OSError):
            os.unlink(scratch)  # noqa: PTH108 - see paths.py


def _beginning(state: bytes, body: bytes | memoryview) -> bytes:
    return _MAGIC + state + zlib.crc32(body).to_bytes(_CHECKSUM, "little")
