"""Where the bytes of a module come from: pieces of an open file, or of an image that was unpacked in memory."""

from __future__ import annotations

import os

# Section headers, their names and a signature stand at the end of what kbuild makes: one read brings them all.
TAIL = 8 << 10
# Smaller files are read at once: that takes no longer than a few pieces of them.
SMALL = 64 << 10


class FileBytes:
    """An open regular file. Only the pieces that are asked for are read; one cut short meanwhile gives less.

    Args:
        descriptor: the file.
        size: its size.
        whole: all of it will be wanted.
    """

    __slots__ = ("_descriptor", "_tail", "_tail_at", "_window", "_window_at", "size")

    def __init__(self, descriptor: int, size: int, *, whole: bool = False) -> None:
        self._descriptor = descriptor
        self.size = self._tail_at = self._window_at = size
        self._tail = self._window = b""
        if whole or size <= SMALL:
            self.read_tail(0)

    def read_tail(self, start: int) -> None:
        """Bring in everything from `start` on; who asks for a piece of it later gets it without a system call."""
        if start < self._tail_at:
            self._tail_at = start
            self._tail = self._read(start, self.size - start)

    def read_window(self, start: int, end: int) -> None:
        """Bring in a part of the file, for the same purpose; another part is forgotten."""
        if start < self._tail_at:
            self._window_at = start
            self._window = self._read(start, end - start)

    def piece(self, start: int, size: int) -> bytes:
        """Return so many bytes, or as many as there are."""
        at = start - self._tail_at
        if at >= 0:
            return self._tail[at : at + size]
        at = start - self._window_at
        if at >= 0 and at + size <= len(self._window):
            return self._window[at : at + size]
        return os.pread(self._descriptor, size, start)

    def whole(self) -> bytes:
        """Return all of it."""
        self.read_tail(0)
        return self._tail

    def _read(self, start: int, size: int) -> bytes:
        """One call reads no more than 2 GiB less a page."""
        piece = os.pread(self._descriptor, min(size, 1 << 30), start)
        if len(piece) == size or not piece:
            return piece
        pieces = [piece]
        at = start + len(piece)
        while at < start + size and (piece := os.pread(self._descriptor, min(start + size - at, 1 << 30), at)):
            pieces.append(piece)
            at += len(piece)
        return b"".join(pieces)


class MemoryBytes:
    """An image in memory."""

    __slots__ = ("_content", "size")

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.size = len(content)

    def read_tail(self, start: int) -> None:
        """Everything is here already."""

    def read_window(self, start: int, end: int) -> None:
        """Everything is here already."""

    def piece(self, start: int, size: int) -> bytes:
        """Return so many bytes, or as many as there are."""
        return self._content[start : start + size]

    def whole(self) -> bytes:
        """Return all of it."""
        return self._content


Bytes = FileBytes | MemoryBytes
