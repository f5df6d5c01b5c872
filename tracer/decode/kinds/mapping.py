"""How memory is mapped: the flags of mmap(2)."""

from __future__ import annotations

from tracer.decode.kinds.common import of_number
from tracer.decode.kinds.numbers import hexadecimal
from tracer.decode.kinds.symbols import flags, shown_flags
from tracer.decode.signature import Value
from tracer.decode.tables import memory as table
from tracer.decode.tables.file_flags import MEMFD_FLAGS as MEMFD_BITS
from tracer.decode.values import flags as split_flags

_HUGE_MASK = 0x3F << table.MAP_HUGE_SHIFT


def _map_flags(value: int) -> list[str]:
    """Return the type of the mapping, which is a number in the lowest bits, then the flags."""
    kind = value & table.MAP_TYPE
    huge = value & _HUGE_MASK
    symbols = [table.MAP_TYPES.get(kind, hex(kind))]
    symbols += split_flags(value & ~table.MAP_TYPE & ~huge, table.MAP_FLAGS)
    return [*symbols, f"{huge >> table.MAP_HUGE_SHIFT}<<MAP_HUGE_SHIFT"] if huge else symbols


def _show_map_flags(value: Value) -> str:
    first, *rest = value
    if first.startswith("0x"):
        first = f"{hexadecimal(int(first, 16))} /* MAP_??? */"
    return "|".join([first, *rest])


def _memfd_flags(value: int) -> list[str]:
    value &= 0xFFFFFFFF
    huge = value & _HUGE_MASK
    symbols = split_flags(value & ~huge, MEMFD_BITS)
    return [*symbols, f"{huge >> table.MAP_HUGE_SHIFT}<<MFD_HUGE_SHIFT"] if huge else symbols


MEMFD_FLAGS = of_number(_memfd_flags, shown_flags("MFD_???"))
MAP_FLAGS = of_number(_map_flags, _show_map_flags)
PROT = flags(table.PROT, "PROT_???", mask=(1 << 64) - 1)
