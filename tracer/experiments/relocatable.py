"""An ELF64 little-endian relocatable file (a kernel module) as sections that can be edited and written anew.

The bytes of the sections are the only truth; symbols and relocations are views on them. Names are
only ever appended to the string tables, so that nothing which points into them moves.
"""

from __future__ import annotations

from typing import Self

from pyinsmod.elf_format import (
    HEADER,
    RELA,
    SECTION,
    SHN_UNDEF,
    SHT_NOBITS,
    SHT_NULL,
    SHT_RELA,
    SHT_SYMTAB,
    SYMBOL,
    ElfHeader,
    SectionHeader,
)
from tracer.experiments.elf_parsing import read_header, read_sections
from tracer.experiments.elf_records import (
    SHF_INFO_LINK,
    SHT_GROUP,
    SHT_SYMTAB_SHNDX,
    STB_GLOBAL,
    STB_LOCAL,
    STT_NOTYPE,
    Relocation,
    Section,
    Symbol,
    string_at,
)
from tracer.experiments.errors import NotRelocatable

_TABLE_ALIGNMENT = 8


class Relocatable:
    """A relocatable file in pieces; what stands after its last section (a signature) is left out."""

    def __init__(self, header: ElfHeader, sections: list[Section]) -> None:
        self.header = header
        self.sections = sections
        self._symtab = self._only_symbol_table()

    @classmethod
    def parse(cls, image: bytes) -> Self:
        """Take a file apart.

        Raises:
            NotRelocatable: not ELF64 little-endian ET_REL, parts outside the file, no or several symbol
                tables, or more sections than 16-bit indices can name (SHT_SYMTAB_SHNDX).
        """
        header = read_header(image)
        return cls(header, read_sections(image, header))

    def to_bytes(self) -> bytes:
        """Lay the file out anew: header, sections in order of their index, section header table."""
        image = bytearray(HEADER.size)
        table = bytearray()
        for section in self.sections:
            if section.type != SHT_NULL:
                _pad(image, section.addralign)
            table += SECTION.pack(*_header_of(section, 0 if section.type == SHT_NULL else len(image)))
            image += section.content
        _pad(image, _TABLE_ALIGNMENT)
        header = self.header._replace(shoff=len(image), shnum=len(self.sections))
        image[: HEADER.size] = HEADER.pack(*header)
        return bytes(image + table)

    # --- sections ---

    def find(self, name: str) -> Section | None:
        """Return the first section of that name."""
        return next((section for section in self.sections if section.name == name), None)

    def section(self, name: str) -> Section:
        """Return the first section of that name.

        Raises:
            NotRelocatable: there is none.
        """
        found = self.find(name)
        if found is None:
            raise NotRelocatable(f"no section {name}")
        return found

    def index(self, section: Section) -> int:
        """Return the section's place in the section header table."""
        return next(number for number, candidate in enumerate(self.sections) if candidate is section)

    def append(self, name: str, data: bytes, alignment: int = 1, filler: bytes = b"\0") -> int:
        """Put bytes at the end of a section, aligned, and return their offset in it."""
        section = self.section(name)
        if section.type == SHT_NOBITS:
            raise NotRelocatable(f"section {name} has no bytes in the file that could be added to")
        section.content += filler * (-len(section.content) % alignment)
        # Without this the section itself may come to lie anywhere, and its parts with it.
        section.addralign = max(section.addralign, alignment)
        offset = len(section.content)
        section.content += data
        return offset

    def rename(self, section: Section, name: str) -> None:
        """Give a section another name."""
        names = self.sections[self.header.shstrndx]
        section.name_offset = _append_string(names, name)
        section.name = name

    def add_section(self, section: Section) -> int:
        """Put a section at the end of the table, its name into the name table; return its index."""
        self.rename(section, section.name)
        self.sections.append(section)
        return len(self.sections) - 1

    # --- symbols ---

    def symbols(self) -> list[Symbol]:
        """Return all symbols, the null symbol included, so that places are symbol indices."""
        names = self.sections[self._symtab.link].content
        return [Symbol(string_at(names, fields[0]), *fields) for fields in SYMBOL.iter_unpack(self._symtab.content)]

    def symbol_index(self, name: str) -> int | None:
        """Return the index of the symbol of that name; a global one is preferred to local ones."""
        found = [(s.binding == STB_LOCAL, number) for number, s in enumerate(self.symbols()) if s.name == name]
        return min(found)[1] if found else None

    def set_symbol(self, index: int, symbol: Symbol) -> None:
        """Change a symbol in place (all but its name, which follows `name_offset`)."""
        SYMBOL.pack_into(self._symtab.content, index * SYMBOL.size, *symbol[1:])

    def add_symbol(
        self,
        name: str,
        *,
        shndx: int = SHN_UNDEF,
        value: int = 0,
        size: int = 0,
        binding: int = STB_GLOBAL,
        kind: int = STT_NOTYPE,
    ) -> int:
        """Add a symbol, imported unless `shndx` says otherwise, and return its index.

        elf(5) wants local symbols before all others: a local one pushes the others up by one, and every
        relocation and section group that names one of those is changed with it.
        """
        name_offset = _append_string(self.sections[self._symtab.link], name)
        record = SYMBOL.pack(name_offset, binding << 4 | kind, 0, shndx, value, size)
        if binding != STB_LOCAL:
            self._symtab.content += record
            return len(self._symtab.content) // SYMBOL.size - 1
        index = self._symtab.info
        self._symtab.content[index * SYMBOL.size : index * SYMBOL.size] = record
        self._symtab.info += 1
        self._shift_symbol_indices(index)
        return index

    # --- relocations ---

    def relocations(self, target: str) -> list[Relocation]:
        """Return the relocations that change section `target`."""
        table = self._relocation_table(target)
        return _unpack_relocations(table) if table else []

    def set_relocations(self, target: str, relocations: list[Relocation]) -> None:
        """Replace the relocations that change section `target`; its table is made if there is none."""
        table = self._relocation_table(target) or self._new_relocation_table(target)
        table.content[:] = b"".join(relocation.pack() for relocation in relocations)

    def add_relocation(self, target: str, relocation: Relocation) -> None:
        """Add one relocation that changes section `target`."""
        self.set_relocations(target, [*self.relocations(target), relocation])

    # --- inside ---

    def _only_symbol_table(self) -> Section:
        tables = [section for section in self.sections if section.type == SHT_SYMTAB]
        if len(tables) != 1:
            raise NotRelocatable(f"{len(tables)} symbol tables, wanted one")
        if any(section.type == SHT_SYMTAB_SHNDX for section in self.sections):
            raise NotRelocatable("extended section indices (SHT_SYMTAB_SHNDX) are not supported")
        if not 0 < tables[0].link < len(self.sections) or len(tables[0].content) % SYMBOL.size:
            raise NotRelocatable("the symbol table has no string table, or half a symbol at its end")
        return tables[0]

    def _relocation_table(self, target: str) -> Section | None:
        index = self.index(self.section(target))
        return next((s for s in self.sections if s.type == SHT_RELA and s.info == index), None)

    def _new_relocation_table(self, target: str) -> Section:
        table = Section(
            name=f".rela{target}",
            name_offset=0,
            type=SHT_RELA,
            flags=SHF_INFO_LINK,
            link=self.index(self._symtab),
            info=self.index(self.section(target)),
            addralign=_TABLE_ALIGNMENT,
            entsize=RELA.size,
        )
        self.add_section(table)
        return table

    def _shift_symbol_indices(self, first: int) -> None:
        symtab = self.index(self._symtab)
        for section in self.sections:
            if section.type == SHT_RELA and section.link == symtab:
                moved = [r._replace(symbol=r.symbol + (r.symbol >= first)) for r in _unpack_relocations(section)]
                section.content[:] = b"".join(relocation.pack() for relocation in moved)
            elif section.type == SHT_GROUP and section.link == symtab and section.info >= first:
                section.info += 1


def _header_of(section: Section, offset: int) -> SectionHeader:
    return SectionHeader(
        section.name_offset,
        section.type,
        section.flags,
        section.addr,
        offset,
        section.size,
        section.link,
        section.info,
        section.addralign,
        section.entsize,
    )


def _pad(image: bytearray, alignment: int) -> None:
    image += bytes(-len(image) % max(alignment, 1))


def _append_string(table: Section, text: str) -> int:
    offset = len(table.content)
    table.content += text.encode("utf-8", "surrogateescape") + b"\0"
    return offset


def _unpack_relocations(table: Section) -> list[Relocation]:
    if len(table.content) % RELA.size:
        raise NotRelocatable(f"section {table.name} has half a relocation at its end")
    return [Relocation.unpack(record) for record in RELA.iter_unpack(table.content)]
