"""Section names that lie outside of the table of names, which loaders test, do not test, or read before they test.

`elf_validity_cache_secstrings` tests every section that is used at all; its predecessors test only those with
SHF_ALLOC and contents, and all of them compare names of other sections, too: `find_sec`, `module_finalize`. A name
within the last page of the file reads as something; behind it is memory that is not there.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.elf_fault import Fault
from pyinsmod.checks.memory_layout import page_end
from pyinsmod.elf_format import SectionHeader
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.module_image import ModuleImage


def names_outside(image: ModuleImage, facts: KernelFacts) -> Iterator[Fault]:
    """Yield what comes of each name that is not in the table."""
    table = image.section_headers[image.header.shstrndx]
    room = page_end(len(image.data)) - table.offset
    tested, counts = facts.has("section-names-all-tested"), facts.has("idempotent-load")
    for index, header in enumerate(image.section_headers):
        if header.name < table.size and header.type != elf.SHT_NULL:
            continue
        unused = header.type == elf.SHT_NULL
        if not unused and tested:
            yield _refused(index, header, table.size)
        elif header.name >= room:
            # What stands in the file is compared before it is tested since 6.4, and until the tests were split up.
            first = unused or bool(counts) or header.type == elf.SHT_NOBITS
            certain = first or not header.flags & elf.SHF_ALLOC
            yield _unreadable(index, header) if certain else _refused(index, header, table.size)
        elif not unused and header.type != elf.SHT_NOBITS and (header.flags & elf.SHF_ALLOC or tested is None):
            yield _refused(index, header, table.size, certain=bool(header.flags & elf.SHF_ALLOC))


def _refused(index: int, header: SectionHeader, limit: int, *, certain: bool = True) -> Fault:
    return Fault(
        f"the name of section {index} lies outside the table of section names",
        f"offset {header.name}",
        f"wants an offset below {limit}",
        f"Invalid ELF section name in module (section {index} type {header.type})",
        severity="refuses" if certain else "cannot-tell",
    )


def _unreadable(index: int, header: SectionHeader) -> Fault:
    return Fault(
        f"the kernel would crash: the name of section {index} is read behind the end of the file",
        f"offset {header.name}",
        "does not test it",
        severity="crashes",
    )
