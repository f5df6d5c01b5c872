"""An .rpm package → its files below a folder, without rpm or cpio: neither is on every Debian machine.

Lead, signature header, header, and then a compressed cpio archive (rpm's docs/manual/format_v4.md; cpio(5), "New ASCII
Format"). What a package says is not trusted: no file of it comes to stand outside the folder.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import stat
import struct
import subprocess
import zlib
from binascii import unhexlify
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from vm.cache import STORAGE_ERRORS
from vm.errors import ArchiveUnreachable, MissingTool

LEAD_MAGIC, LEAD_SIZE = b"\xed\xab\xee\xdb", 96
HEADER_MAGIC = b"\x8e\xad\xe8\x01"
_HEADER = struct.Struct(">4s4xII")
_INDEX_ENTRY = 16
# A header of a kernel package with ten thousand files takes a few MB.
LARGEST_HEADER = 256 << 20
_NEWC = (b"070701", b"070702")
_STRIPPED = b"07070X"
_FIELDS = struct.Struct(">13I")  # each as eight digits
_END = b"TRAILER!!!"
LONGEST_NAME = 1 << 16
_PIECE = 1 << 20


class _Entry(NamedTuple):
    """One file of the archive: what `struct cpio_newc_header` says of it that matters here."""

    inode: tuple[int, int, int]
    mode: int
    links: int
    size: int
    name: str


def unpack_rpm(package: Path, root: Path, *, leave_out: tuple[str, ...] = ()) -> None:
    """Unpack an .rpm below `root`.

    Args:
        package: the file.
        root: an existing folder.
        leave_out: paths in the package, such as `usr/share/doc`, that are not unpacked.

    Raises:
        ArchiveUnreachable: it is no package, damaged, or of a kind that is not known.
        MissingTool: it is packed with zstd, and there is no zstd program.
    """
    try:
        file = package.open("rb", buffering=0)
    except OSError as error:
        raise ArchiveUnreachable(f"{package.name} could not be read: {error.strerror}") from error
    try:
        with file, _payload(file) as payload:
            _Extraction(payload, root, leave_out).run()
    except (EOFError, ValueError, lzma.LZMAError, zlib.error) as error:
        raise ArchiveUnreachable(f"{package.name} could not be unpacked: {error}") from error
    except OSError as error:
        if error.errno in STORAGE_ERRORS:
            raise
        raise ArchiveUnreachable(f"{package.name} could not be unpacked: {error}") from error


@contextlib.contextmanager
def _payload(file: IO[bytes]) -> Iterator[IO[bytes]]:
    """Yield the archive in a package, unpacked."""
    if _exactly(file, LEAD_SIZE)[:4] != LEAD_MAGIC:
        raise ValueError("no rpm package: it does not begin like one")
    signature = _skip_header(file)
    file.seek(-signature % 8, os.SEEK_CUR)
    _skip_header(file)
    at = file.tell()
    magic = file.read(6)
    file.seek(at)
    opened = _unpacker(magic)
    if opened is None:
        raise ValueError(f"its contents begin with {magic.hex(' ')}, which is no known compression")
    with opened(file) as unpacked:
        yield unpacked


def _skip_header(file: IO[bytes]) -> int:
    """Go past a header; return its size."""
    magic, entries, store = _HEADER.unpack(_exactly(file, _HEADER.size))
    size: int = _INDEX_ENTRY * entries + store
    if magic != HEADER_MAGIC or size > LARGEST_HEADER:
        raise ValueError("a header of it is damaged")
    file.seek(size, os.SEEK_CUR)
    return _HEADER.size + size


@contextlib.contextmanager
def _unzstd(file: IO[bytes]) -> Iterator[IO[bytes]]:
    try:
        program = subprocess.Popen(["zstd", "-dcq"], stdin=file, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError as error:
        raise MissingTool("an .rpm packed with zstd needs the zstd program: sudo apt-get install zstd") from error
    with program:
        assert program.stdout  # noqa: S101 - it is a pipe
        try:
            yield program.stdout
            # What follows the archive's end is padding; more of it than that says nothing about what was read.
            if len(program.stdout.read(_PIECE)) < _PIECE and program.wait():
                raise ValueError("the zstd stream is damaged")
        finally:
            program.kill()


def _unpacker(magic: bytes) -> Callable[[IO[bytes]], contextlib.AbstractContextManager[Any]] | None:
    """Return what unpacks an archive that begins so."""
    known: dict[bytes, Callable[[IO[bytes]], contextlib.AbstractContextManager[Any]]] = {
        b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
        b"BZh": bz2.BZ2File,
        b"\xfd7zXZ\0": lzma.LZMAFile,
        b"\x5d\0\0": lzma.LZMAFile,
        b"\x28\xb5\x2f\xfd": _unzstd,
        b"0707": contextlib.nullcontext,
    }
    return next((opened for beginning, opened in known.items() if magic.startswith(beginning)), None)


class _Extraction:
    """One archive on its way to the disk."""

    def __init__(self, archive: IO[bytes], root: Path, leave_out: tuple[str, ...]) -> None:
        self._archive, self._root, self._leave_out = archive, root.resolve(), leave_out
        # Of hard links only the last one has the contents.
        self._waiting: dict[tuple[int, int, int], list[Path]] = {}
        self._links: dict[str, str] = {}

    def run(self) -> None:
        while (entry := self._entry()) is not None:
            self._take(entry)
            self._skip(-entry.size % 4)
        # Symbolic links last: so no file is written through one.
        for path, target in self._links.items():
            place = self._place(path)
            if not place.is_symlink() and not place.exists():
                place.symlink_to(target)

    def _entry(self) -> _Entry | None:
        magic = _exactly(self._archive, 6)
        if magic == _STRIPPED:
            raise ValueError("it holds files of more than 4 GiB, in a format of its own")
        if magic not in _NEWC:
            raise ValueError("its archive is damaged, or of an unknown format")
        raw = _exactly(self._archive, 2 * _FIELDS.size)
        # Digits and nothing else: int() takes a sign as well, and nobody comes to the end of a size below 0.
        inode, mode, _, _, links, _, size, major, minor, _, _, length, _ = _FIELDS.unpack(unhexlify(raw))
        if not 0 < length <= LONGEST_NAME:
            raise ValueError(f"a name of {length} bytes")
        name = _exactly(self._archive, length).rstrip(b"\0")
        self._skip(-(6 + len(raw) + length) % 4)
        return None if name == _END else _Entry((major, minor, inode), mode, links, size, os.fsdecode(name))

    def _take(self, entry: _Entry) -> None:
        path = entry.name.removeprefix("./").lstrip("/")
        wanted = path and not any(path == each or path.startswith(f"{each}/") for each in self._leave_out)
        if stat.S_ISLNK(entry.mode):
            target = os.fsdecode(_exactly(self._archive, min(entry.size, LONGEST_NAME)))
            if wanted:
                self._links[path] = target
        elif stat.S_ISDIR(entry.mode) and wanted:
            self._place(path).mkdir(exist_ok=True)
        elif stat.S_ISREG(entry.mode) and wanted:
            self._write(entry, self._place(path))
        else:
            self._skip(entry.size)

    def _place(self, path: str) -> Path:
        """Return where something of the package comes to stand, in a folder that is there.

        Raises:
            ValueError: that is outside, by its name or through a link that was there before.
        """
        place = self._root / path
        if ".." in place.parts or not place.parent.resolve().is_relative_to(self._root):
            raise ValueError(f"a file of it would stand outside: {path!r}")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place

    def _write(self, entry: _Entry, place: Path) -> None:
        if place.is_symlink():  # of an earlier package: it is replaced, and not written through
            place.unlink()
        same = self._waiting.setdefault(entry.inode, []) if entry.links > 1 else []
        if entry.links > 1 and not entry.size:
            same.append(place)
            place.touch()
            return
        with place.open("wb") as file:
            left = entry.size
            while left:
                piece = self._archive.read(min(left, _PIECE))
                if not piece:
                    raise EOFError("it ends in the middle")
                file.write(piece)
                left -= len(piece)
        for other in same:
            shutil.copyfile(place, other)

    def _skip(self, size: int) -> None:
        while size:
            size -= len(_exactly(self._archive, min(size, _PIECE)))


def _exactly(file: IO[bytes], size: int) -> bytes:
    """Read so many bytes, however many calls that takes."""
    found = b""
    while len(found) < size:
        piece = file.read(size - len(found))
        if not piece:
            raise EOFError("it ends in the middle")
        found += piece
    return found
