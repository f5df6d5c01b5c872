"""Read the running kernel's memory through /proc/kcore, which is an ELF core file (fs/proc/kcore.c)."""

from __future__ import annotations

from pyinsmod.lean import NamedTuple, os, struct

_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_PHOFF_AT, _PHNUM_AT, _HEADER_SIZE = 32, 56, 64
_PT_LOAD = 1


class _Segment(NamedTuple):
    start: int
    end: int
    offset: int


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
        if self._descriptor < 0:
            self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            self._segments = _segments(self._descriptor)
        for segment in self._segments:
            if segment.start <= address < segment.end:
                return self._pread(min(size, segment.end - address), segment.offset + address - segment.start)
        raise ValueError(f"no segment covers address {address:#x}")

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
        _Segment(start, start + length, at)
        for kind, _, at, start, _, _, length, _ in _PROGRAM_HEADER.iter_unpack(
            table[: len(table) - len(table) % _PROGRAM_HEADER.size]
        )
        if kind == _PT_LOAD
    )
