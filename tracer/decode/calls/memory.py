"""Calls that map memory."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.mapping import MAP_FLAGS, PROT
from tracer.decode.kinds.numbers import HEX_OFFSET, INT, POINTER, SIZE
from tracer.decode.kinds.results import ADDRESS
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.signature import Signature, call
from tracer.decode.tables import memory as table

_NEW_ADDRESS = 0x1 | 0x2  # MREMAP_MAYMOVE, MREMAP_FIXED
_range = (("addr", POINTER), ("length", SIZE))
_mprotect = (("addr", POINTER), ("len", SIZE), ("prot", PROT))

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "mmap": call(
            ("addr", POINTER),
            ("length", SIZE),
            ("prot", PROT),
            ("flags", MAP_FLAGS),
            ("fd", FD),
            ("offset", HEX_OFFSET),
            returns=ADDRESS,
        ),
        "munmap": call(*_range),
        "mprotect": call(*_mprotect),
        "pkey_mprotect": call(*_mprotect, ("pkey", INT)),
        "mremap": call(
            ("old_address", POINTER),
            ("old_size", SIZE),
            ("new_size", SIZE),
            ("flags", flags(table.MREMAP_FLAGS, "MREMAP_???", mask=(1 << 64) - 1)),
            ("new_address", POINTER, 4, lambda raw: raw[3] & _NEW_ADDRESS == _NEW_ADDRESS),
            returns=ADDRESS,
        ),
        "brk": call(("addr", POINTER), returns=ADDRESS),
        "madvise": call(*_range, ("advice", enum(table.ADVICE, "MADV_???"))),
        "msync": call(*_range, ("flags", flags(table.MSYNC_FLAGS, "MS_???"))),
        "mlock": call(*_range),
        "munlock": call(*_range),
        "mlock2": call(*_range, ("flags", flags(table.MLOCK_FLAGS, "MLOCK_???"))),
        "mlockall": call(("flags", flags(table.MLOCKALL_FLAGS, "MCL_???"))),
        "munlockall": call(),
        "pkey_free": call(("pkey", INT)),
    }
)
