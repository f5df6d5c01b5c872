"""Faults put into the bytes of a finished module: its ELF header, section header table and length.

Each function takes the bytes to spoil, the places of things in them from before any fault, and the
text behind the colon of the fault's name. As places are never read from spoiled bytes, faults combine.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Self

from pyinsmod.elf_format import HEADER, SECTION, SHT_PROGBITS, ElfHeader, SectionHeader
from tracer.experiments.elf_records import (
    E_MACHINE_OFFSET,
    E_SHOFF_OFFSET,
    E_TYPE_OFFSET,
    EM_AARCH64,
    EM_X86_64,
    ET_EXEC,
    SH_NAME_OFFSET,
    SH_OFFSET_OFFSET,
    SH_TYPE_OFFSET,
    string_at,
)
from tracer.experiments.errors import FaultNotApplicable, UnknownFault

# Far enough to be outside whatever is appended, near enough for no arithmetic to overflow.
_BEYOND = 0x10000


@dataclass(frozen=True)
class Places:
    """Where things are in the sound image: its length, its section table, each section's header by section name."""

    length: int
    machine: int
    table: int
    count: int
    headers: dict[str, tuple[int, SectionHeader]]
    names: SectionHeader

    @classmethod
    def of(cls, image: bytes) -> Self:
        """Find the places in a sound image."""
        header = ElfHeader(*HEADER.unpack_from(image))
        offsets = [header.shoff + number * SECTION.size for number in range(header.shnum)]
        sections = [SectionHeader(*SECTION.unpack_from(image, offset)) for offset in offsets]
        names = sections[header.shstrndx]
        table = image[names.offset : names.offset + names.size]
        # Reversed, so that of two sections with one name the first is found.
        pairs = reversed(list(zip(offsets, sections, strict=True)))
        found = {string_at(table, s.name): (offset, s) for offset, s in pairs}
        return cls(len(image), header.machine, header.shoff, header.shnum, found, names)

    def header(self, name: str) -> tuple[int, SectionHeader]:
        """Return where the header of a section is, and what it held.

        Raises:
            FaultNotApplicable: no such section.
        """
        if not name or name not in self.headers:
            raise FaultNotApplicable(f"the module has no section '{name}'")
        return self.headers[name]


def not_elf(image: bytearray, _places: Places, _: str) -> None:
    """Spoil the ELF magic."""
    image[:4] = b"\x7fFLE"


def wrong_type(image: bytearray, _places: Places, _: str) -> None:
    """Claim to be an executable program."""
    struct.pack_into("<H", image, E_TYPE_OFFSET, ET_EXEC)


def wrong_machine(image: bytearray, places: Places, _: str) -> None:
    """Claim to be for another architecture."""
    other = EM_AARCH64 if places.machine == EM_X86_64 else EM_X86_64
    struct.pack_into("<H", image, E_MACHINE_OFFSET, other)


def section_table_outside(image: bytearray, places: Places, _: str) -> None:
    """Let the section header table begin beyond the end of the file."""
    struct.pack_into("<Q", image, E_SHOFF_OFFSET, places.length + _BEYOND)


def section_outside(image: bytearray, places: Places, argument: str) -> None:
    """Let the contents of one section lie beyond the end of the file."""
    header, _ = places.header(argument)
    struct.pack_into("<Q", image, header + SH_OFFSET_OFFSET, places.length + _BEYOND)


def section_name_outside(image: bytearray, places: Places, argument: str) -> None:
    """Let the name of one section lie beyond the name table."""
    header, _ = places.header(argument)
    # The first byte outside: still inside the file, lest an old kernel that does not check reads further.
    struct.pack_into("<I", image, header + SH_NAME_OFFSET, places.names.size)


def no_symtab(image: bytearray, places: Places, _: str) -> None:
    """Let the symbol table be an ordinary section."""
    header, _section = places.header(".symtab")
    struct.pack_into("<I", image, header + SH_TYPE_OFFSET, SHT_PROGBITS)


def no_modinfo(image: bytearray, places: Places, _: str) -> None:
    """Let `.modinfo` go by another name."""
    _drop_first_letter(image, places, ".modinfo")


def no_this_module(image: bytearray, places: Places, _: str) -> None:
    """Let the section that holds `struct module` go by another name."""
    _drop_first_letter(image, places, ".gnu.linkonce.this_module")


def truncated(image: bytearray, places: Places, argument: str) -> None:
    """Cut the file off, by default in its middle."""
    if argument and not argument.isdecimal():
        raise UnknownFault(f"truncated wants a length in bytes; found '{argument}'")
    del image[int(argument) if argument else places.length // 2 :]


def _drop_first_letter(image: bytearray, places: Places, name: str) -> None:
    # A name may begin anywhere in the table: one byte on, `.modinfo` is `modinfo`.
    header, section = places.header(name)
    struct.pack_into("<I", image, header + SH_NAME_OFFSET, section.name + 1)
