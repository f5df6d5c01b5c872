"""Read the running kernel's memory through /proc/kcore, which is an ELF core file (fs/proc/kcore.c)."""

from __future__ import annotations

from pyinsmod.lean import Iterable, NamedTuple, os, struct

_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_PHOFF_AT, _PHNUM_AT, _HEADER_SIZE = 32, 56, 64
_PT_LOAD = 1

# What is read at once of a window, and how much of it again with the next: more than the longest text looked for.
PIECE, OVERLAP = 1 << 16, 512


class _Segment(NamedTuple):
    """Part of the memory: its addresses, where it is in the file, and its physical address (all ones for none)."""

    start: int
    end: int
    offset: int
    physical: int


class KernelMemory:
    """The kernel's memory. The file is opened on first use and stays open; holes read as zeros."""

    def __init__(self, kcore: str) -> None:
        self._path = kcore
        self._descriptor = -1
        self._segments: tuple[_Segment, ...] = ()

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes of kernel memory at `address`, fewer where a segment ends.

        Raises:
            OSError: the file cannot be opened or read (no CAP_SYS_RAWIO, or lockdown=confidentiality).
            ValueError: no segment of the file covers the address.
        """
        for segment in self._opened():
            if segment.start <= address < segment.end:
                return self._pread(min(size, segment.end - address), segment.offset + address - segment.start)
        raise ValueError(f"no segment covers address {address:#x}")

    def address_of(self, physical: int) -> int:
        """Return where a piece of physical memory stands: the highest address of several, which is the kernel's own.

        Raises what `read` raises.
        """
        found = [each.start + physical - each.physical for each in self._opened() if each.physical <= physical]
        for address in sorted(found, reverse=True):
            if any(each.start <= address < each.end for each in self._segments):
                return address
        raise ValueError(f"no segment covers physical address {physical:#x}")

    def _opened(self) -> tuple[_Segment, ...]:
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._segments = _segments(self._descriptor)
        return self._segments

    def window(self, start: int, size: int) -> MemoryWindow:
        """Return a stretch of the memory, nothing of which is read yet."""
        return MemoryWindow(self, start, size)

    def _pread(self, size: int, offset: int) -> bytes:
        """Read to the end: a signal, or a page that is gone, may make one read short."""
        try:
            content = os.pread(self._descriptor, size, offset)
            while content and len(content) < size:
                more = os.pread(self._descriptor, size - len(content), offset + len(content))
                if not more:
                    break
                content += more
        except OverflowError as error:
            raise ValueError("an offset beyond every file") from error
        return content

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


class MemoryWindow:
    """A stretch of the kernel's memory that can be searched and sliced like bytes, and is read piece by piece.

    Memory for millions of bytes takes as long to get hold of as to fill; a piece stays until the next one is wanted.
    All methods raise what `KernelMemory.read` raises. `start` is its address.
    """

    def __init__(self, memory: KernelMemory, start: int, size: int) -> None:
        self._memory = memory
        self.start = start
        self._size = size
        self._piece_at, self._piece = -1, b""

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self._size)
        return self._memory.read(self.start + start, stop - start) if stop > start else b""

    def find(self, wanted: bytes, start: int, end: int) -> int:
        """Return where a text of at most OVERLAP bytes stands next, as `bytes.find` does."""
        at, end = start, min(end, self._size)
        while at < end:
            number = at // PIECE
            piece, piece_at = self._piece_of(number), number * PIECE
            found = piece.find(wanted, at - piece_at, end - piece_at)
            if found >= 0:
                return piece_at + found
            at = piece_at + PIECE
        return -1

    def those_in(self, texts: Iterable[bytes]) -> frozenset[bytes]:
        """Return which of some texts of at most OVERLAP bytes stand in it, in one pass."""
        left, found = set(texts), set()
        for number in range(-(-self._size // PIECE)):
            if not left:
                break
            piece = self._piece_of(number)
            here = {text for text in left if text in piece}
            found |= here
            left -= here
        return frozenset(found)

    def _piece_of(self, number: int) -> bytes:
        if number != self._piece_at:
            self._piece = self[number * PIECE : (number + 1) * PIECE + OVERLAP]
            self._piece_at = number
        return self._piece


def read_memory(kcore: str, address: int, size: int) -> bytes:
    """Return bytes of kernel memory; see KernelMemory.read for what is raised."""
    return KernelMemory(kcore).read(address, size)


def _segments(descriptor: int) -> tuple[_Segment, ...]:
    header = os.pread(descriptor, _HEADER_SIZE, 0)
    if len(header) < _HEADER_SIZE or header[:4] != b"\x7fELF":
        raise ValueError("not an ELF core file")
    (offset,) = struct.unpack_from("<Q", header, _PHOFF_AT)
    (count,) = struct.unpack_from("<H", header, _PHNUM_AT)
    try:
        table = os.pread(descriptor, count * _PROGRAM_HEADER.size, offset)
    except OverflowError as error:
        raise ValueError("an offset beyond every file") from error
    return tuple(
        _Segment(start, start + length, at, physical)
        for kind, _, at, start, physical, _, length, _ in _PROGRAM_HEADER.iter_unpack(
            table[: len(table) - len(table) % _PROGRAM_HEADER.size]
        )
        if kind == _PT_LOAD
    )
