"""Calls that 32-bit ARM programs make otherwise: as on x86, but that 64-bit numbers begin at an even register."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.calls import i386
from tracer.decode.kinds.buffers import RECEIVED, sent
from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.fcntl import fcntl
from tracer.decode.kinds.numbers import SIZE, pair
from tracer.decode.kinds.symbols import enum
from tracer.decode.kinds.texts import PATH
from tracer.decode.signature import Signature, call
from tracer.decode.tables import file_numbers

_ELSEWHERE_IN_MEMORY = ("mmap", "waitpid", "fadvise64", "fadvise64_64", "getrlimit")

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        **{name: row for name, row in i386.CALLS.items() if name not in _ELSEWHERE_IN_MEMORY},
        "fcntl": fcntl("arm"),
        "fcntl64": fcntl("arm", locks64=True),
        "pread64": call(("fd", FD), ("buf", RECEIVED), ("count", SIZE), ("offset", pair(4))),
        "pwrite64": call(("fd", FD), ("buf", sent(2)), ("count", SIZE), ("offset", pair(4))),
        "truncate64": call(("path", PATH), ("length", pair(2))),
        "ftruncate64": call(("fd", FD), ("length", pair(2))),
        "readahead": call(("fd", FD), ("offset", pair(2)), ("count", SIZE, 4)),
        "arm_fadvise64_64": call(
            ("fd", FD),
            ("advice", enum(file_numbers.ADVICE, "POSIX_FADV_???")),
            ("offset", pair(2)),
            ("len", pair(4)),
        ),
    }
)
