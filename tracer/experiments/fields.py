"""One field of one ELF record, set to any value: faults of which there are too many to have a name each.

Arguments read `FIELD=VALUE`; VALUE is a number (`7`, `0xfff1`), or a change of what stands there: `+8`, `-1`,
`|4` (bits set) or `&~2` (bits cleared). Fields are those of pyinsmod.elf_format.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from typing import NamedTuple

from pyinsmod.elf_format import HEADER, RELA, SECTION, SYMBOL, ElfHeader, SectionHeader
from tracer.experiments.errors import UnknownFault

_VALUE = re.compile(r"(?P<how>|\+|-|\||&~)(?P<number>0x[0-9a-fA-F]+|\d+)")
SYMBOL_FIELDS = ("name", "info", "other", "shndx", "value", "size")
RELOCATION_FIELDS = ("offset", "type", "symbol", "addend")


class Field(NamedTuple):
    """Where a field stands in its record, and how it is packed."""

    offset: int
    layout: struct.Struct

    @property
    def mask(self) -> int:
        """All bits of the field."""
        return (1 << 8 * self.layout.size) - 1

    def get(self, data: bytes | bytearray, record: int) -> int:
        """Read it from the record that begins at offset `record`."""
        value: int = self.layout.unpack_from(data, record + self.offset)[0]
        return value

    def put(self, data: bytearray, record: int, value: int) -> None:
        """Write it, cut to its width."""
        self.layout.pack_into(data, record + self.offset, value & self.mask)


class Setting(NamedTuple):
    """`FIELD=VALUE`, read."""

    field: str
    how: str
    number: int

    def of(self, old: int) -> int:
        """Return the value the field is to have, from the one it has."""
        return {
            "": self.number,
            "+": old + self.number,
            "-": old - self.number,
            "|": old | self.number,
            "&~": old & ~self.number,
        }[self.how]


def setting(argument: str, fields: Sequence[str]) -> Setting:
    """Read `FIELD=VALUE`.

    Raises:
        UnknownFault: there is no such field, or it makes no sense.
    """
    name, _, text = argument.partition("=")
    value = _VALUE.fullmatch(text)
    if name not in fields or value is None:
        raise UnknownFault(f"wanted FIELD=NUMBER with a field of {', '.join(fields)}; found '{argument}'")
    return Setting(name, value["how"], int(value["number"], 0))


def _fields(layout: struct.Struct, names: Sequence[str]) -> dict[str, Field]:
    """Return the fields of a little-endian layout; what holds bytes and no number is left out."""
    fields, offset = {}, 0
    for name, code in zip(names, re.findall(r"\d*[a-zA-Z]", layout.format.lstrip("<")), strict=True):
        part = struct.Struct(f"<{code}")
        if not code.endswith("s"):
            fields[name] = Field(offset, struct.Struct(f"<{code.upper()}"))
        offset += part.size
    return fields


HEADER_FIELDS = _fields(HEADER, ElfHeader._fields)
SECTION_FIELDS = _fields(SECTION, SectionHeader._fields)
SYMBOL_RECORD = _fields(SYMBOL, SYMBOL_FIELDS)
# r_info holds two numbers: the type in its low half, the symbol's index in its high half.
RELOCATION_RECORD = {
    "offset": Field(0, struct.Struct("<Q")),
    "type": Field(8, struct.Struct("<I")),
    "symbol": Field(12, struct.Struct("<I")),
    "addend": Field(16, struct.Struct("<Q")),
}
assert RELA.size == 24  # noqa: S101 - what the offsets above stand on
