"""Section names that lie outside of the table of names, which loaders test, do not test, or read before they test.

`elf_validity_cache_secstrings` tests every section that is used at all; its predecessors test only those with
SHF_ALLOC and contents, and all of them compare names of other sections, too, sooner or later: `find_sec`, while the
file is looked through; arm64's `module_frob_arch_sections` and `find_any_sec`, when it is laid out; `module_finalize`,
when it is relocated. A name within the last page of the file reads as something; behind it is a page that never is
there, and then who knows what.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.elf_fault import Fault
from pyinsmod.checks.relocation_findings import UNSETTLED, crash, unsettled_crash
from pyinsmod.elf_format import SectionHeader, page_end
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator, Literal
from pyinsmod.module_image import ModuleImage

# By whom a name is read first: `find_sec` and the tests of the file, then these functions in their order.
Reader = Literal["find_sec", "module_frob_arch_sections", "find_any_sec", "module_finalize"]
BTF = ".BTF"


def faults_of_names(image: ModuleImage, facts: KernelFacts) -> Iterator[Fault]:
    """Yield what comes of each name that is not in the table while the file is looked through."""
    table = image.section_headers[image.header.shstrndx]
    room = page_end(len(image.data)) - table.offset
    tested = facts.has("section-names-all-tested")
    for index, header in _outside(image):
        unused = header.type == elf.SHT_NULL
        if not unused and tested:
            yield _refused(index, header, table.size)
        elif header.name >= room and not _tested_first(header, facts):
            if _first_reader(image, index, header, facts) == "find_sec":
                yield from _unreadable(index, header, header.name - room)
        elif not unused and header.type != elf.SHT_NOBITS and (header.flags & elf.SHF_ALLOC or tested is None):
            yield _refused(index, header, table.size, certain=bool(header.flags & elf.SHF_ALLOC))


def names_read_late(image: ModuleImage, facts: KernelFacts, reader: Reader, check: str, step: int) -> Iterator[Finding]:
    """Yield the crash over the first name that cannot be read, and that nobody reads before this reader."""
    table = image.section_headers[image.header.shstrndx]
    room = page_end(len(image.data)) - table.offset
    for index, header in _outside(image):
        if header.name >= room and _first_reader(image, index, header, facts) == reader:
            what = f"the name of section {index} is read behind the end of the file"
            from pyinsmod.checks.memory_layout import unsettled_behind_file

            unsettled = unsettled_behind_file(header.name - room)
            yield from unsettled_crash(check, step, what) if unsettled else (crash(check, step, what),)
            return


def _outside(image: ModuleImage) -> Iterator[tuple[int, SectionHeader]]:
    size = image.section_headers[image.header.shstrndx].size
    return ((index, header) for index, header in enumerate(image.section_headers) if header.name >= size)


def _tested_first(header: SectionHeader, facts: KernelFacts) -> bool:
    """Tell whether the test comes before the first look at the name: since 6.4 it does not, until tests were split."""
    with_contents = header.type not in (elf.SHT_NULL, elf.SHT_NOBITS)
    return bool(with_contents and header.flags & elf.SHF_ALLOC and not facts.has("idempotent-load"))


def _first_reader(image: ModuleImage, index: int, header: SectionHeader, facts: KernelFacts) -> Reader:
    """Return who reads the name of a section first, of those who do not test it."""
    with_contents = header.type not in (elf.SHT_NULL, elf.SHT_NOBITS)
    if index and (header.flags & elf.SHF_ALLOC or (with_contents and facts.has("idempotent-load"))):
        return "find_sec"
    if image.header.machine == elf.EM_AARCH64:
        return "module_frob_arch_sections"  # looks at every name, for the sections of far branches
    # The search for type information ends where it is.
    found = next((section.number for section in image.sections[1:index] if section.name == BTF), None)
    return "find_any_sec" if index and facts.has("module-btf") and found is None else "module_finalize"


def _refused(index: int, header: SectionHeader, limit: int, *, certain: bool = True) -> Fault:
    return Fault(
        f"the name of section {index} lies outside the table of section names",
        f"offset {header.name}",
        f"wants an offset below {limit}",
        f"Invalid ELF section name in module (section {index} type {header.type})",
        severity="refuses" if certain else "cannot-tell",
    )


def _unreadable(index: int, header: SectionHeader, behind: int) -> Iterator[Fault]:
    what = f"the name of section {index} is read behind the end of the file"
    from pyinsmod.checks.memory_layout import unsettled_behind_file

    unsettled = unsettled_behind_file(behind)
    if unsettled:
        doubt = f"{what}: {UNSETTLED}"
        yield Fault(doubt, f"offset {header.name}", "does not test it", severity="cannot-tell")
    yield Fault(
        f"the kernel {'may' if unsettled else 'would'} crash: {what}",
        f"offset {header.name}",
        "does not test it",
        severity="crashes",
    )
