"""Where the bytes of a module come from: pieces of an open file, or of an image that was unpacked in memory."""

from __future__ import annotations

import os

# Section headers, names and mostly symbols stand at the end of what kbuild makes: one read brings them all.
TAIL = 12 << 10


class FileBytes:
    """An open regular file. Only the pieces that are asked for are read; one cut short meanwhile gives less."""

    __slots__ = ("_descriptor", "_tail", "_tail_at", "size")

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size
        self._tail_at = self.size
        self._tail = b""

    def read_tail(self, start: int) -> None:
        """Bring in everything from `start` on; who asks for a piece of it later gets it without a system call."""
        self._tail_at = start
        self._tail = os.pread(self._descriptor, self.size - start, start)

    def piece(self, start: int, size: int) -> bytes:
        """Return so many bytes, or as many as there are."""
        at = start - self._tail_at
        if at >= 0:
            return self._tail[at : at + size]
        return os.pread(self._descriptor, size, start)

    def whole(self) -> bytes:
        """Return all of it."""
        return os.pread(self._descriptor, self.size, 0) if self.size < 1 << 30 else self._slowly()

    def _slowly(self) -> bytes:
        """One call reads no more than 2 GiB less a page."""
        pieces, at = [], 0
        while piece := os.pread(self._descriptor, 1 << 30, at):
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

    def piece(self, start: int, size: int) -> bytes:
        """Return so many bytes, or as many as there are."""
        return self._content[start : start + size]

    def whole(self) -> bytes:
        """Return all of it."""
        return self._content
