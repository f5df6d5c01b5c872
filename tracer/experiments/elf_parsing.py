"""Reading the header and the sections of an ELF64 little-endian relocatable file (elf(5))."""

from __future__ import annotations

from pyinsmod.elf_format import ET_REL, HEADER, MAGIC, SECTION, SHT_NOBITS, SHT_NULL, ElfHeader, SectionHeader
from tracer.experiments.elf_records import ELFCLASS64, ELFDATA2LSB, SHN_LORESERVE, Section, string_at
from tracer.experiments.errors import NotRelocatable

# Files keep to alignments too, so an absurd one would make an absurdly large file; pages are 64 KiB at most.
_LARGEST_ALIGNMENT = 1 << 20


def read_header(image: bytes) -> ElfHeader:
    """Read the file header of a relocatable file whose section header table can be read too.

    Raises:
        NotRelocatable: not ELF64 little-endian ET_REL, or without a section header table inside the file.
    """
    if len(image) < HEADER.size or image[:4] != MAGIC:
        raise NotRelocatable(f"no ELF file: {len(image)} bytes that start with {image[:4]!r}")
    header = ElfHeader(*HEADER.unpack_from(image))
    if (header.ident[4], header.ident[5]) != (ELFCLASS64, ELFDATA2LSB):
        raise NotRelocatable("not a 64-bit little-endian ELF file")
    if header.type != ET_REL:
        raise NotRelocatable(f"ELF type {header.type}, wanted {ET_REL} (relocatable)")
    if header.shentsize != SECTION.size or not 0 < header.shstrndx < header.shnum < SHN_LORESERVE:
        raise NotRelocatable("no usable section header table")
    if header.shoff + header.shnum * SECTION.size > len(image):
        raise NotRelocatable("the section header table reaches beyond the end of the file")
    return header


def read_sections(image: bytes, header: ElfHeader) -> list[Section]:
    """Read all sections with their names and contents.

    Raises:
        NotRelocatable: the contents of one lie outside the file, or one wants an absurd alignment.
    """
    table = image[header.shoff : header.shoff + header.shnum * SECTION.size]
    headers = [SectionHeader(*fields) for fields in SECTION.iter_unpack(table)]
    if any(shdr.align > _LARGEST_ALIGNMENT for shdr in headers):
        raise NotRelocatable(f"a section wants to be aligned to more than {_LARGEST_ALIGNMENT} bytes")
    names = _content(image, headers[header.shstrndx])
    return [
        Section(
            name=string_at(names, shdr.name),
            name_offset=shdr.name,
            type=shdr.type,
            flags=shdr.flags,
            addr=shdr.addr,
            link=shdr.link,
            info=shdr.info,
            addralign=shdr.align,
            entsize=shdr.entsize,
            content=_content(image, shdr),
            nobits_size=shdr.size if shdr.type == SHT_NOBITS else 0,
        )
        for shdr in headers
    ]


def _content(image: bytes, header: SectionHeader) -> bytearray:
    if header.type in (SHT_NULL, SHT_NOBITS):
        return bytearray()
    if header.offset + header.size > len(image):
        raise NotRelocatable(f"a section of type {header.type} reaches beyond the end of the file")
    return bytearray(image[header.offset : header.offset + header.size])
