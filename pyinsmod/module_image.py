"""Bytes → frozen facts about a kernel module: what the loader will look at, read lazily and judged nowhere.

A `ModuleImage` can be made of any bytes; each fact is read when it is asked for, and raises `MalformedModule`
with one clear line when the structure it stands in is damaged. The checks decide what that means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

from pyinsmod import elf_format as elf
from pyinsmod.compression import compression_of, decompress
from pyinsmod.elf_format import ElfHeader, Relocation, Section, SectionHeader, Symbol
from pyinsmod.errors import MalformedModule

# What kbuild calls the files it makes.
SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")

SIGNATURE_MARKER = b"~Module signature appended~\n"

# 64-bit struct module: `enum module_state`, a list_head, then `char name[MODULE_NAME_LEN]`.
NAME_OFFSET, NAME_LENGTH = 24, 56

# struct modversion_info: unsigned long crc, then the name in what is left of 64 bytes.
VERSION_SIZE, CRC_SIZE = 64, 8


class Export(NamedTuple):
    """A symbol the module offers to others; `gpl` and `namespace` as EXPORT_SYMBOL_* put them."""

    name: str
    gpl: bool
    namespace: str | None


class ModuleImage:
    """A module's ELF image. `data` is unpacked; `compression` says how the file was packed, if it was."""

    def __init__(self, data: elf.Data, compression: str | None = None) -> None:
        self.data = data
        self.compression = compression

    # --- ELF structures

    @cached_property
    def header(self) -> ElfHeader:
        """The ELF header, whatever it says; only its length and magic are tested."""
        if len(self.data) < elf.HEADER.size:
            raise MalformedModule(f"{len(self.data)} bytes are too few for an ELF header of {elf.HEADER.size}")
        header = ElfHeader._make(elf.HEADER.unpack_from(self.data))
        if header.ident[:4] != elf.MAGIC:
            raise MalformedModule(f"not an ELF file: it begins with {header.ident[:4]!r}")
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
        """All sections with their names."""
        headers = self.section_headers
        if self.header.shstrndx >= len(headers):
            raise MalformedModule(f"section name table {self.header.shstrndx} of {len(headers)} sections")
        names = self._bytes_of(headers[self.header.shstrndx], "the section name table")
        return tuple(
            Section(index, string_at(names, header.name, "section name"), *header[1:])
            for index, header in enumerate(headers)
        )

    def find_section(self, name: str) -> Section | None:
        """Return the first section of that name, or None."""
        return next((section for section in self.sections if section.name == name), None)

    def section_bytes(self, section: Section) -> bytes:
        """Return what the section holds in the file; nothing for NOBITS."""
        return self._bytes_of(SectionHeader(0, *section[2:]), f"section '{section.name}'")

    def _bytes_of(self, header: SectionHeader, what: str) -> bytes:
        if header.type == elf.SHT_NOBITS:
            return b""
        if header.end() > len(self.data):
            raise MalformedModule(f"{what} reaches past the end of the file")
        return self.data[header.offset : header.end()]

    def _content(self, name: str) -> bytes:
        section = self.find_section(name)
        return b"" if section is None else self.section_bytes(section)

    # --- identity

    @cached_property
    def modinfo(self) -> Mapping[str, tuple[str, ...]]:
        """The `key=value` strings of .modinfo, in file order; the kernel uses the first of a key."""
        values: dict[str, list[str]] = {}
        for entry in self._content(".modinfo").split(b"\0"):
            key, equals, value = entry.partition(b"=")
            if equals:
                values.setdefault(elf.text(key), []).append(elf.text(value))
        return MappingProxyType({key: tuple(found) for key, found in values.items()})

    def modinfo_value(self, key: str) -> str | None:
        """Return the first value of a .modinfo key, as `get_modinfo` of the kernel does, or None."""
        return next(iter(self.modinfo.get(key, ())), None)

    @cached_property
    def vermagic(self) -> str | None:
        """The version magic the module was built for, with its trailing space."""
        return self.modinfo_value("vermagic")

    @cached_property
    def struct_name(self) -> str | None:
        """The name inside `struct module`: the one that is registered and shows in /proc/modules."""
        raw = self._content(".gnu.linkonce.this_module")[NAME_OFFSET : NAME_OFFSET + NAME_LENGTH]
        return elf.text(raw.partition(b"\0")[0]) if raw else None

    @cached_property
    def name(self) -> str | None:
        """The name to speak of: the registered one, else `name=` of .modinfo."""
        return self.struct_name or self.modinfo_value("name")

    @property
    def known_name(self) -> str | None:
        """The name, or None where the file is too damaged to tell."""
        try:
            return self.name
        except MalformedModule:
            return None

    # --- symbols

    @cached_property
    def _symbol_table(self) -> tuple[bytes, bytes]:
        """The bytes of the symbol table and of its string table; empty when the module is stripped."""
        tables = [header for header in self.section_headers if header.type == elf.SHT_SYMTAB]
        if not tables:
            return b"", b""
        if tables[0].link >= len(self.section_headers):
            raise MalformedModule(f"symbol string table {tables[0].link} of {len(self.section_headers)} sections")
        raw = self._bytes_of(tables[0], "the symbol table")
        strings = self._bytes_of(self.section_headers[tables[0].link], "the symbol string table")
        return raw[: len(raw) - len(raw) % elf.SYMBOL.size], strings

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """The whole symbol table, entry 0 included."""
        raw, strings = self._symbol_table
        return tuple(
            Symbol(index, string_at(strings, name, "symbol name"), *rest)
            for index, (name, *rest) in enumerate(elf.SYMBOL.iter_unpack(raw))
        )

    @cached_property
    def undefined_symbols(self) -> tuple[Symbol, ...]:
        """The symbols `simplify_symbols` must resolve, in table order; entry 0 is none of them."""
        raw, strings = self._symbol_table
        return tuple(
            Symbol(index, string_at(strings, entry[0], "symbol name"), *entry[1:])
            for index, entry in enumerate(elf.SYMBOL.iter_unpack(raw))
            if entry[3] == elf.SHN_UNDEF and index
        )

    @cached_property
    def versions(self) -> Mapping[str, int]:
        """Symbol → CRC of the basic `__versions` table."""
        raw = self._content("__versions")
        records = (raw[at : at + VERSION_SIZE] for at in range(0, len(raw) - VERSION_SIZE + 1, VERSION_SIZE))
        return MappingProxyType(
            {
                elf.text(record[CRC_SIZE:].partition(b"\0")[0]): int.from_bytes(record[:CRC_SIZE], "little")
                for record in records
            }
        )

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """The exported symbols, by their `__ksymtab_NAME` entries, in table order."""
        prefix = "__ksymtab_"
        defined = {symbol.name: symbol for symbol in self.symbols if symbol.section != elf.SHN_UNDEF}
        return tuple(
            Export(name[len(prefix) :], self._gpl_only(symbol, defined), self._namespace(symbol, defined))
            for name, symbol in defined.items()
            if name.startswith(prefix)
        )

    def _gpl_only(self, entry: Symbol, defined: Mapping[str, Symbol]) -> bool:
        """Read GPL-only from the table's name, or from the `__kflagstab` byte (bit 0) of 7.x modules."""
        flags = defined.get(entry.name.replace("__ksymtab_", "__flags_", 1))
        if flags is not None:
            return bool(self._string_of(flags, "export flags")[:1] == b"\x01")
        return entry.section < len(self.sections) and self.sections[entry.section].name.endswith("_gpl")

    def _namespace(self, entry: Symbol, defined: Mapping[str, Symbol]) -> str | None:
        where = defined.get(entry.name.replace("__ksymtab_", "__kstrtabns_", 1))
        return (elf.text(self._string_of(where, "namespace")) or None) if where is not None else None

    def _string_of(self, symbol: Symbol, what: str) -> bytes:
        if symbol.section >= len(self.sections):
            raise MalformedModule(f"{what} '{symbol.name}' lies in section {symbol.section}, which does not exist")
        content = self.section_bytes(self.sections[symbol.section])
        return content[symbol.value :].partition(b"\0")[0]

    # --- the rest

    def relocations(self) -> Iterator[Relocation]:
        """Yield every relocation entry, section by section, as the file orders them."""
        layouts = {elf.SHT_RELA: elf.RELA, elf.SHT_REL: elf.REL}
        for section in self.sections:
            layout = layouts.get(section.type)
            if layout is None:
                continue
            raw = self.section_bytes(section)
            for offset, info, *addend in layout.iter_unpack(raw[: len(raw) - len(raw) % layout.size]):
                yield Relocation(section.info, offset, info & 0xFFFFFFFF, info >> 32, addend[0] if addend else None)

    @property
    def signed(self) -> bool:
        """Tell whether a signature is appended, by the marker that `module_sig_check` looks for."""
        return self.data[-len(SIGNATURE_MARKER) :] == SIGNATURE_MARKER


def read_image(content: bytes) -> ModuleImage:
    """Return the image in a module file's bytes, unpacked if they are compressed.

    Raises:
        MalformedModule: the file is compressed and cannot be unpacked.
    """
    compression = compression_of(content)
    if compression is None:
        return ModuleImage(content)
    return ModuleImage(decompress(content, compression), compression)


def string_at(strings: bytes, offset: int, what: str) -> str:
    """Return the NUL-terminated string at `offset` of a string table.

    Raises:
        MalformedModule: the offset is outside the table, or the string has no end.
    """
    end = strings.find(b"\0", offset)
    if end < 0:
        raise MalformedModule(f"{what} at offset {offset} of a string table of {len(strings)} bytes")
    return elf.text(strings[offset:end])
