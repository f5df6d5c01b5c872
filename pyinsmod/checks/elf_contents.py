"""The sections a module must have exactly one of: `elf_validity_cache_index`, `elf_validity_cache_strtab`.

Since 6.4 the loader counts them, and 6.5 and later show the function `idempotent_init_module`; without it
the first SHF_ALLOC section of a name is taken, and the first symbol table.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.elf_fault import Fault
from pyinsmod.elf_format import Section, page_end
from pyinsmod.finding import Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.module_image import THIS_MODULE, ModuleImage
from pyinsmod.text import shown

REBUILD = "build it with the kernel's own build system: make -C /lib/modules/$(uname -r)/build M=$PWD modules"
NOT_STRIPPED = "build it again and leave the symbol table in: strip --strip-debug is safe, plain strip is not"


def contents_faults(image: ModuleImage, facts: KernelFacts) -> Iterator[Fault]:
    """Yield what is wrong with .modinfo, `struct module` and the symbol table."""
    name = image.modinfo_value("name") or "(missing .modinfo section or name field)"
    yield from _modinfo_faults(image, facts)
    yield from _this_module_faults(image, name, facts)
    yield from _symbol_table_faults(image, name, facts)


def _counts(facts: KernelFacts) -> bool | None:
    """Tell whether the loader counts sections. Asked for a fault only: it costs reading /proc/kallsyms."""
    return facts.has("idempotent-load")


def _when(known: bool | None) -> Severity | None:
    """Return the severity of a fault that only some kernels test for; None when this one does not."""
    return {True: "refuses", False: None, None: "cannot-tell"}[known]


def _named(image: ModuleImage, name: str, facts: KernelFacts) -> list[Section]:
    """Return the sections that are counted: the first loaders that counted left out those without bytes in the file."""
    found = [section for section in image.sections[1:] if section.name == name]
    if facts.has("section-names-all-tested") is False and _counts(facts):
        return [section for section in found if section.type not in (elf.SHT_NULL, elf.SHT_NOBITS)]
    return found


def _modinfo_faults(image: ModuleImage, facts: KernelFacts) -> Iterator[Fault]:
    found = len(_named(image, ".modinfo", facts))
    if found > 1 and (severity := _when(_counts(facts))):
        log = "Only one .modinfo section must exist."
        yield Fault(f"{found} sections .modinfo", str(found), "wants 1", log, REBUILD, severity)
    section = image.modinfo_section
    if section is not None and section.offset + section.size > page_end(len(image.data)):
        what = "the kernel would crash: .modinfo is read behind the end of the file"
        yield Fault(what, f"{section.size} bytes at {section.offset}", "does not test it", None, REBUILD, "crashes")


def _this_module_faults(image: ModuleImage, name: str, facts: KernelFacts) -> Iterator[Fault]:
    counts, found = _counts(facts), _named(image, THIS_MODULE, facts)
    usable = [section for section in found if section.in_memory and (section.type != elf.SHT_NOBITS or not counts)]
    if not usable:
        old = f"{name}: No module found in object"
        log = f"module {name}: Exactly one {THIS_MODULE} section must exist." if counts else old
        what = "no section that holds struct module" if not found else "a struct module that takes no memory"
        yield Fault(f"not a finished module: {what}", what, f"wants one {THIS_MODULE}", log, REBUILD)
        return
    if len(found) > 1 and (severity := _when(counts)):
        log = f"module {name}: Exactly one {THIS_MODULE} section must exist."
        yield Fault(f"{len(found)} sections {THIS_MODULE}", str(len(found)), "wants 1", log, REBUILD, severity)
    yield from _size_faults(usable[0], len(image.data), name, facts)


def _size_faults(section: Section, length: int, name: str, facts: KernelFacts) -> Iterator[Fault]:
    """Since 6.4 the size is tested. What an older kernel makes of a short one: see `memory`."""
    size = facts.struct_module_size.value
    if section.offset + section.size > page_end(length):
        what = f"the kernel would crash: {THIS_MODULE} is read behind the end of the file"
        yield Fault(what, f"at {section.offset}", "does not test it", None, REBUILD, "crashes")
    elif size is not None and section.size != size and _counts(facts) is not False:
        yield Fault(
            f"a struct module of {section.size} bytes, and the kernel's has {size}: it was built for another kernel",
            f"{section.size} bytes",
            f"{size} bytes",
            f"module {name}: {THIS_MODULE} section size must match the kernel's built struct module size at run time",
            REBUILD,
            "refuses" if _counts(facts) else "cannot-tell",
        )


def _symbol_table_faults(image: ModuleImage, name: str, facts: KernelFacts) -> Iterator[Fault]:
    tables = [header for header in image.section_headers if header.type == elf.SHT_SYMTAB]
    log = f"{name}: module has no symbols (stripped?)"
    if not tables:
        yield Fault("no symbol table: the module was stripped", "no symbol table", "wants one", log, NOT_STRIPPED)
        return
    unlinked = [table.link for table in tables if not 0 < table.link < image.header.shnum]
    if unlinked and (len(tables) == 1 or not facts.has("section-names-all-tested")):
        yield _no_strings(unlinked[0], image.header.shnum)
    elif len(tables) > 1 and (counts := _counts(facts)) is not False:
        # Where nothing is known about the kernel, the worse case is assumed: it costs a reboot. A loader that does
        # not count takes the first one, and crashes if that is the wrong one: see `loader_run`.
        severity: Severity = "refuses" if counts else "crashes"
        what = f"{len(tables)} symbol tables" + ("" if counts else ", and old loaders crash on the wrong one")
        yield Fault(what, str(len(tables)), "wants 1", log if counts else None, REBUILD, severity)
    else:
        yield from _string_table_faults(image, tables[0].link, facts)


def _no_strings(link: int, count: int) -> Fault:
    log = f"Invalid ELF sh_link!=SHN_UNDEF({link}) or (sh_link({link}) >= hdr->e_shnum({count})"
    return Fault(
        f"the symbol table has no string table: it should be section {link} of {count}",
        f"section {link}",
        f"wants a section from 1 to {count - 1}",
        log,
        REBUILD,
    )


def _string_table_faults(image: ModuleImage, link: int, facts: KernelFacts) -> Iterator[Fault]:
    """The type is tested since the tests were split up, the strings' own shape since 7.x (`elf_validity_cache_strtab`).

    Older loaders read names wherever they point to: see `loader_run`.
    """
    section = image.sections[link]
    typed = _when(facts.has("section-names-all-tested"))
    if section.type != elf.SHT_STRTAB and typed:
        log = f"Invalid ELF symbol string table type: {section.type}"
        what = f"the symbol string table is of type {section.type}, and not a table of strings"
        yield Fault(what, f"type {section.type}", f"wants {elf.SHT_STRTAB} (SHT_STRTAB)", log, REBUILD, typed)
        return
    tested = _when(facts.has("symbol-strings-tested"))
    if tested:
        yield from _string_faults(image, image.data[section.offset : section.offset + section.size], tested)


def _string_faults(image: ModuleImage, strings: bytes, tested: Severity) -> Iterator[Fault]:
    logs = {
        "empty symbol string table": not strings,
        "symbol string table missing leading NUL": strings[:1] != b"\0",
        "symbol string table isn't NUL terminated": strings[-1:] != b"\0",
    }
    log = next((log for log, wrong in logs.items() if wrong), None)
    if log is not None:
        what = "the symbol string table is empty, or has no NUL at its start or end"
        yield Fault(what, shown(strings[:1] + strings[-1:]), "wants 00 00", log, REBUILD, tested)
        return
    names = memoryview(image.symbol_bytes).cast("I")[0::6] if image.symbol_bytes else memoryview(b"")
    furthest = max(names, default=0)
    if furthest >= len(strings):
        what = "the name of a symbol lies outside the symbol string table"
        log = "symbol name out of bounds in string table"
        yield Fault(what, f"offset {furthest}", f"wants an offset below {len(strings)}", log, REBUILD, tested)
