"""What pyelftools reads in a module that was made here: the second opinion on what our builder writes."""

from __future__ import annotations

import io

from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import Section, SymbolTableSection


def section(image: bytes, name: str) -> Section:
    """Return a section; the test fails when it is not there."""
    found = ELFFile(io.BytesIO(image)).get_section_by_name(name)
    assert found is not None, name
    return found


def symbol_table(image: bytes) -> SymbolTableSection:
    """Return the symbol table."""
    found = section(image, ".symtab")
    assert isinstance(found, SymbolTableSection)
    return found


def relocation_table(image: bytes, name: str) -> RelocationSection:
    """Return a section of relocations."""
    found = section(image, name)
    assert isinstance(found, RelocationSection)
    return found
