"""Read the running kernel's memory through /proc/kcore, which is an ELF core file (fs/proc/kcore.c)."""

from __future__ import annotations

import os
import struct

_PROGRAM_HEADER = struct.Struct("<IIQQQQQQ")
_PHOFF_AT, _PHNUM_AT, _HEADER_SIZE = 32, 56, 64
_PT_LOAD = 1


def read_memory(kcore: str, address: int, size: int) -> bytes:
    """Return `size` bytes of kernel memory at `address`; holes read as zeros.

    Raises:
        OSError: the file cannot be opened or read (no CAP_SYS_RAWIO, or lockdown=confidentiality).
        ValueError: no segment of the file covers the address.
    """
    descriptor = os.open(kcore, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(descriptor, size, _file_offset(descriptor, address))
    except OverflowError as error:
        raise ValueError("an offset beyond every file") from error
    finally:
        os.close(descriptor)


def _file_offset(descriptor: int, address: int) -> int:
    header = os.pread(descriptor, _HEADER_SIZE, 0)
    if len(header) < _HEADER_SIZE or header[:4] != b"\x7fELF":
        raise ValueError("not an ELF core file")
    (offset,) = struct.unpack_from("<Q", header, _PHOFF_AT)
    (count,) = struct.unpack_from("<H", header, _PHNUM_AT)
    table = os.pread(descriptor, count * _PROGRAM_HEADER.size, offset)
    for kind, _, at, start, _, _, length, _ in _PROGRAM_HEADER.iter_unpack(
        table[: len(table) - len(table) % _PROGRAM_HEADER.size]
    ):
        if kind == _PT_LOAD and start <= address < start + length:
            return int(at + address - start)
    raise ValueError(f"no segment covers address {address:#x}")
