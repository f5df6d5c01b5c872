"""Write cpio archives in the `newc` format, the one the kernel unpacks as initramfs.

Own code because an initramfs needs device nodes and root-owned files, and this project builds it without
being root: the archive is written from a list of entries, not from a tree whose owners would be copied.
Format: Documentation/driver-api/early-userspace/buffer-format.rst.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, Self

ALIGNMENT = 4


class CpioWriter:
    """Adds entries to an archive; everything belongs to root and has the time stamp 0."""

    def __init__(self, output: BinaryIO) -> None:
        self._output = output
        self._inode = 0
        self._directories: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._entry("TRAILER!!!", 0, b"", inode=0)

    def file(self, name: str, content: bytes, mode: int = 0o644) -> None:
        """Add a regular file."""
        self._with_parents(name)
        self._entry(name, stat.S_IFREG | mode, content)

    def symlink(self, name: str, target: str) -> None:
        """Add a symbolic link."""
        self._with_parents(name)
        self._entry(name, stat.S_IFLNK | 0o777, target.encode())

    def directory(self, name: str, mode: int = 0o755) -> None:
        """Add a directory once, after its parents; later calls for the same name do nothing."""
        if name in self._directories:
            return
        self._with_parents(name)
        self._directories.add(name)
        self._entry(name, stat.S_IFDIR | mode, b"")

    def character_device(self, name: str, major: int, minor: int, mode: int = 0o600) -> None:
        """Add a character device node."""
        self._with_parents(name)
        self._entry(name, stat.S_IFCHR | mode, b"", device=(major, minor))

    def tree(self, root: Path, prefix: str = "") -> None:
        """Add everything below `root` in sorted order, so that equal trees give equal archives."""
        with os.scandir(root) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            name = f"{prefix}{entry.name}"
            if entry.is_symlink():
                self.symlink(name, str(Path(entry.path).readlink()))
            elif entry.is_dir():
                self.directory(name, stat.S_IMODE(entry.stat().st_mode) | 0o700)
                self.tree(Path(entry.path), f"{name}/")
            elif entry.is_file():
                self.file(name, Path(entry.path).read_bytes(), stat.S_IMODE(entry.stat().st_mode))

    def _with_parents(self, name: str) -> None:
        parent = name.rpartition("/")[0]
        if parent:
            self.directory(parent)

    def _entry(
        self,
        name: str,
        mode: int,
        content: bytes,
        *,
        inode: int | None = None,
        device: tuple[int, int] = (0, 0),
    ) -> None:
        if inode is None:
            self._inode += 1
            inode = self._inode
        raw_name = name.encode("utf-8", "surrogateescape") + b"\0"
        numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(raw_name), 0)
        header = b"070701" + b"".join(b"%08X" % number for number in numbers)
        self._output.write(_padded(header + raw_name))
        self._output.write(_padded(content))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % ALIGNMENT)
