"""Bytes → the structures of a 64-bit ELF file: headers, sections, symbols, relocations, each read when asked for.

Nothing is judged here, and any bytes will do: what stands in a damaged structure raises `MalformedModule` with one
clear line. Names are read wherever they point to, as the kernel reads them.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.elf_format import ElfHeader, Relocation, Section, SectionHeader, Symbol
from pyinsmod.errors import MalformedModule
from pyinsmod.lean import Callable, Container, Iterator, Mapping, cached_property
from pyinsmod.text import shown

# No symbol or section of a kernel has a longer name (KSYM_NAME_LEN); of one that has, a piece is enough.
LONGEST_NAME, CUT_NAME = 512, 60


class ElfImage:
    """An ELF file's bytes, and what stands in them."""

    def __init__(self, data: elf.Data) -> None:
        self.data = data
        self._texts: dict[int, str] = {}

    # --- headers and sections

    @cached_property
    def header(self) -> ElfHeader:
        """The ELF header, whatever it says; only its length and magic are tested."""
        if len(self.data) < elf.HEADER.size:
            raise MalformedModule(f"{len(self.data)} bytes are too few for an ELF header of {elf.HEADER.size}")
        header = ElfHeader._make(elf.HEADER.unpack_from(self.data))
        if header.ident[:4] != elf.MAGIC:
            raise MalformedModule(f"not an ELF file: it begins with {shown(header.ident[:4])}")
        return header

    @cached_property
    def section_headers(self) -> tuple[SectionHeader, ...]:
        """The section header table as it stands in the file."""
        header = self.header
        size = header.shnum * elf.SECTION.size
        if header.shentsize != elf.SECTION.size:
            raise MalformedModule(f"section headers of {header.shentsize} bytes, not {elf.SECTION.size}")
        if header.shoff + size > len(self.data):
            raise MalformedModule("the section header table reaches past the end of the file")
        table = self.data[header.shoff : header.shoff + size]
        return tuple(map(SectionHeader._make, elf.SECTION.iter_unpack(table)))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All sections with their names.

        A name is read where its offset points to, as the kernel does it, be that outside the table of names.
        """
        headers = self.section_headers
        if self.header.shstrndx >= len(headers):
            raise MalformedModule(f"section name table {self.header.shstrndx} of {len(headers)} sections")
        start = headers[self.header.shstrndx].offset
        return tuple(
            Section(index, self.text_at(start + header.name), *header[1:]) for index, header in enumerate(headers)
        )

    def text_at(self, position: int) -> str:
        """Return the NUL-terminated string at an offset of the file: empty behind its end, cut when very long."""
        known = self._texts.get(position)
        if known is None:
            end = self.data.find(b"\0", position, position + LONGEST_NAME)
            if end >= 0:
                known = elf.text(self.data[position:end])
            elif position + LONGEST_NAME < len(self.data):
                known = elf.text(self.data[position : position + CUT_NAME]) + "…"
            else:
                known = elf.text(self.data[position : position + LONGEST_NAME])
            self._texts[position] = known
        return known

    def find_section(self, name: str) -> Section | None:
        """Return the first section of that name, or None."""
        return next(iter(self.named(name)), None)

    def find_allocated(self, name: str) -> Section | None:
        """Return what the kernel's `find_sec` finds: the first section of that name that is SHF_ALLOC, or None."""
        return next((section for section in self.named(name) if section.in_memory and section.number), None)

    def named(self, name: str) -> list[Section]:
        """Return all sections of that name."""
        return self._sections_by_name.get(name, [])

    @cached_property
    def _sections_by_name(self) -> Mapping[str, list[Section]]:
        by_name: dict[str, list[Section]] = {}
        for section in self.sections:
            by_name.setdefault(section.name, []).append(section)
        return by_name

    def section_bytes(self, section: Section) -> bytes:
        """Return what the section holds in the file; nothing for NOBITS."""
        return self._bytes_of(SectionHeader(0, *section[2:]), f"section '{section.name}'")

    def _bytes_of(self, header: SectionHeader, what: str) -> bytes:
        if header.type == elf.SHT_NOBITS:
            return b""
        if header.end() > len(self.data):
            raise MalformedModule(f"{what} reaches past the end of the file")
        return self.data[header.offset : header.end()]

    def _content(self, section: Section | None) -> bytes:
        return b"" if section is None else self.section_bytes(section)

    # --- symbols

    @cached_property
    def symbol_sections(self) -> tuple[int, int]:
        """The numbers of the symbol table, which is the first of its type, and of its string table; 0 for none.

        Raises:
            MalformedModule: there is no such string table.
        """
        headers = self.section_headers
        number = next((index for index, header in enumerate(headers) if header.type == elf.SHT_SYMTAB), 0)
        if headers and headers[number].link >= len(headers) and number:
            raise MalformedModule(f"symbol string table {headers[number].link} of {len(headers)} sections")
        return number, headers[number].link if number else 0

    @cached_property
    def symbol_bytes(self) -> bytes:
        """The symbol table, whole entries only; empty when the module is stripped."""
        number, _strings = self.symbol_sections
        raw = self._bytes_of(self.section_headers[number], "the symbol table") if number else b""
        return raw[: len(raw) - len(raw) % elf.SYMBOL.size]

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The whole symbol table, entry 0 included."""
        return tuple(self._symbols(lambda _entry: True))

    @cached_property
    def undefined_symbols(self) -> tuple[Symbol, ...]:
        """The symbols `simplify_symbols` must resolve, in table order; entry 0 is none of them."""
        return tuple(symbol for symbol in self._symbols(lambda entry: entry[3] == elf.SHN_UNDEF) if symbol.number)

    @cached_property
    def unplaced_symbols(self) -> tuple[Symbol, ...]:
        """The symbols that lie in none of the sections, undefined and common ones among them, in table order."""
        count = self.header.shnum
        return tuple(symbol for symbol in self._symbols(lambda entry: not 0 < entry[3] < count) if symbol.number)

    def _symbols(self, wanted: Callable[[tuple[int, ...]], bool]) -> Iterator[Symbol]:
        """Yield symbols; their names are read wherever they point to, as loaders before 7.x do."""
        raw, (_number, strings) = self.symbol_bytes, self.symbol_sections
        start = self.section_headers[strings].offset if raw else 0
        for index, entry in enumerate(elf.SYMBOL.iter_unpack(raw)):
            if wanted(entry):
                yield Symbol(index, self.text_at(start + entry[0]), *entry[1:])

    def relocations(self, of: Container[int] | None = None) -> Iterator[Relocation]:
        """Yield every relocation entry, section by section, as the file orders them; only those `of` some sections."""
        layouts = {elf.SHT_RELA: elf.RELA, elf.SHT_REL: elf.REL}
        for section in self.sections:
            layout = layouts.get(section.type)
            if layout is None or (of is not None and section.info not in of):
                continue
            raw = self.section_bytes(section)
            for offset, info, *addend in layout.iter_unpack(raw[: len(raw) - len(raw) % layout.size]):
                yield Relocation(section.info, offset, info & 0xFFFFFFFF, info >> 32, addend[0] if addend else None)
