"""The parts of a relocatable file that can be edited, beside the plain structures of pyinsmod.elf_format.

Numbers are those of elf(5).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from pyinsmod.elf_format import RELA, SHT_NOBITS

ELFCLASS64 = 2
ELFDATA2LSB = 1
ET_EXEC = 2
EM_X86_64 = 62
EM_AARCH64 = 183
EM_RISCV = 243

SHT_GROUP = 17
SHT_SYMTAB_SHNDX = 18

SHF_INFO_LINK = 0x40

SHN_LORESERVE = 0xFF00

STB_LOCAL = 0
STB_GLOBAL = 1
STT_NOTYPE = 0


# Where single fields stand inside their records, for faults that spoil one field of a finished file.
E_TYPE_OFFSET = 16
E_MACHINE_OFFSET = 18
E_SHOFF_OFFSET = 40
SH_NAME_OFFSET = 0
SH_TYPE_OFFSET = 4
SH_OFFSET_OFFSET = 24


@dataclass(slots=True)
class Section:
    """One section, free to be changed; where it lies in the file is settled when the file is written.

    `size` is the number of bytes in memory, which for NOBITS sections (`.bss`) is all there is;
    for any other section it is the length of `content`.
    """

    name: str
    name_offset: int
    type: int
    flags: int = 0
    addr: int = 0
    link: int = 0
    info: int = 0
    addralign: int = 1
    entsize: int = 0
    content: bytearray = field(default_factory=bytearray)
    nobits_size: int = 0

    @property
    def size(self) -> int:
        """Bytes the section occupies, in the file or (NOBITS) in memory only."""
        return self.nobits_size if self.type == SHT_NOBITS else len(self.content)


class Symbol(NamedTuple):
    """Elf64_Sym with its name beside it; `shndx` 0 means that the symbol is imported."""

    name: str
    name_offset: int
    info: int
    other: int
    shndx: int
    value: int
    size: int

    @property
    def binding(self) -> int:
        """STB_LOCAL, STB_GLOBAL or STB_WEAK."""
        return self.info >> 4


class Relocation(NamedTuple):
    """Elf64_Rela with `r_info` taken apart."""

    offset: int
    symbol: int
    type: int
    addend: int

    @classmethod
    def unpack(cls, record: tuple[int, int, int]) -> Relocation:
        """Make a relocation from the three numbers of the file."""
        offset, info, addend = record
        return cls(offset, info >> 32, info & 0xFFFFFFFF, addend)

    def pack(self) -> bytes:
        """Return the 24 bytes of the file."""
        return RELA.pack(self.offset, self.symbol << 32 | self.type, self.addend)


def string_at(table: bytes | bytearray, offset: int) -> str:
    """Return the NUL-terminated string at `offset`; bytes that are no UTF-8 are kept as surrogates."""
    end = table.find(b"\0", offset)
    return bytes(table[offset : end if end >= 0 else len(table)]).decode("utf-8", "surrogateescape")
