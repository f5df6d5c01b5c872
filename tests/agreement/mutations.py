"""Random damage to a module: each function takes the bytes and a seeded source of chance, and returns the bytes.

Half of all values are drawn from those that break programs (0, 1, all ones, just beside what stood there), the
other half from everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random

from pyinsmod.elf_format import (
    HEADER,
    RELA,
    SECTION,
    SHT_RELA,
    SHT_SYMTAB,
    SYMBOL,
    ElfHeader,
    SectionHeader,
)
from tracer.experiments.fields import HEADER_FIELDS, RELOCATION_RECORD, SECTION_FIELDS, SYMBOL_RECORD, Field

Mutation = Callable[[bytearray, Random], bytearray]

_MOST_BYTES = 8


def some_bytes(image: bytearray, chance: Random) -> bytearray:
    """Change up to eight bytes anywhere in the file."""
    for _ in range(chance.randint(1, _MOST_BYTES)):
        image[chance.randrange(len(image))] = chance.randrange(256)
    return image


def header_field(image: bytearray, chance: Random) -> bytearray:
    """Change one field of the ELF header."""
    _change(image, 0, HEADER_FIELDS, chance)
    return image


def section_field(image: bytearray, chance: Random) -> bytearray:
    """Change one field of one section header."""
    header = ElfHeader(*HEADER.unpack_from(image))
    _change(image, header.shoff + chance.randrange(header.shnum) * SECTION.size, SECTION_FIELDS, chance)
    return image


def relocation(image: bytearray, chance: Random) -> bytearray:
    """Change one field of one relocation."""
    _change(image, _record(image, SHT_RELA, RELA.size, chance), RELOCATION_RECORD, chance)
    return image


def symbol(image: bytearray, chance: Random) -> bytearray:
    """Change one field of one symbol."""
    _change(image, _record(image, SHT_SYMTAB, SYMBOL.size, chance), SYMBOL_RECORD, chance)
    return image


def truncation(image: bytearray, chance: Random) -> bytearray:
    """Cut the file off anywhere; every second time near a place where something begins or ends."""
    places = [0, HEADER.size, *(edge for section in _sections(image) for edge in (section.offset, section.end()))]
    near = chance.choice(places) + chance.randint(-2, 2)
    del image[max(0, near) if chance.random() < 0.5 else chance.randrange(len(image)) :]
    return image


MUTATIONS: Mapping[str, Mutation] = {
    "bytes": some_bytes,
    "header": header_field,
    "section": section_field,
    "relocation": relocation,
    "symbol": symbol,
    "truncation": truncation,
}


def _change(image: bytearray, record: int, fields: Mapping[str, Field], chance: Random) -> None:
    field = chance.choice(list(fields.values()))
    old = field.get(image, record)
    telling = (0, 1, field.mask, field.mask >> 1, old + 1, old - 1, old ^ 1 << chance.randrange(8), len(image))
    drawn = chance.choice(telling) if chance.random() < 0.5 else chance.getrandbits(8 * field.layout.size)
    field.put(image, record, drawn)


def _record(image: bytearray, kind: int, size: int, chance: Random) -> int:
    """Return the offset of one record in one of the tables of a kind, each record as likely as any other."""
    tables = [section for section in _sections(image) if section.type == kind]
    number = chance.randrange(sum(section.size // size for section in tables))
    for section in tables:
        if number < section.size // size:
            return section.offset + number * size
        number -= section.size // size
    raise AssertionError("unreachable: the number counts the records of these tables")


def _sections(image: bytearray) -> list[SectionHeader]:
    header = ElfHeader(*HEADER.unpack_from(image))
    table = image[header.shoff : header.shoff + header.shnum * SECTION.size]
    return [SectionHeader(*fields) for fields in SECTION.iter_unpack(table)]
