"""The sections a module must have exactly one of: `elf_validity_cache_index`, `elf_validity_cache_strtab`.

Since 6.4 the loader counts them, and 6.5 and later show the function `idempotent_init_module`; without it
the first SHF_ALLOC section of a name is taken, and a second symbol table makes the kernel oops (seen on 5.10
and 6.1).
"""

from __future__ import annotations

from collections.abc import Iterator

from pyinsmod import elf_format as elf
from pyinsmod.checks.elf_fault import Fault
from pyinsmod.elf_format import Section
from pyinsmod.finding import Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.module_image import ModuleImage
from pyinsmod.text import shown

THIS_MODULE = ".gnu.linkonce.this_module"
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


def _named(image: ModuleImage, name: str) -> list[Section]:
    return [section for section in image.sections if section.name == name]


def _modinfo_faults(image: ModuleImage, facts: KernelFacts) -> Iterator[Fault]:
    found = len(_named(image, ".modinfo"))
    if found > 1 and (severity := _when(_counts(facts))):
        log = "Only one .modinfo section must exist."
        yield Fault(f"{found} sections .modinfo", str(found), "wants 1", log, REBUILD, severity)


def _this_module_faults(image: ModuleImage, name: str, facts: KernelFacts) -> Iterator[Fault]:
    found = _named(image, THIS_MODULE)
    usable = [section for section in found if section.in_memory and section.type != elf.SHT_NOBITS]
    if not usable:
        old = f"{name}: No module found in object"
        log = f"module {name}: Exactly one {THIS_MODULE} section must exist." if _counts(facts) else old
        what = "no section that holds struct module" if not found else "a struct module that takes no memory"
        yield Fault(f"not a finished module: {what}", what, f"wants one {THIS_MODULE}", log, REBUILD)
    if len(found) > 1 and usable and (severity := _when(_counts(facts))):
        log = f"module {name}: Exactly one {THIS_MODULE} section must exist."
        yield Fault(f"{len(found)} sections {THIS_MODULE}", str(len(found)), "wants 1", log, REBUILD, severity)


def _symbol_table_faults(image: ModuleImage, name: str, facts: KernelFacts) -> Iterator[Fault]:
    tables = [header for header in image.section_headers if header.type == elf.SHT_SYMTAB]
    log = f"{name}: module has no symbols (stripped?)"
    if not tables:
        yield Fault("no symbol table: the module was stripped", "no symbol table", "wants one", log, NOT_STRIPPED)
    elif len(tables) > 1:
        # Where nothing is known about the kernel, the worse case is assumed: it costs a reboot.
        counts = _counts(facts)
        severity: Severity = "refuses" if counts else "crashes"
        what = f"{len(tables)} symbol tables" + ("" if counts else ", which old loaders crash on")
        yield Fault(what, str(len(tables)), "wants 1", log if counts else None, REBUILD, severity)
    else:
        yield from _string_table_faults(image, tables[0].link, facts)


def _string_table_faults(image: ModuleImage, link: int, facts: KernelFacts) -> Iterator[Fault]:
    """The strings' own shape is tested since 7.x; before that a bad one is read past its end."""
    count = image.header.shnum
    if not 0 < link < count:
        log = f"Invalid ELF sh_link!=SHN_UNDEF({link}) or (sh_link({link}) >= hdr->e_shnum({count})"
        yield Fault(
            f"the symbol table has no string table: it should be section {link} of {count}",
            f"section {link}",
            f"wants a section from 1 to {count - 1}",
            log,
            REBUILD,
        )
        return
    strings = image.section_bytes(image.sections[link])
    if not strings or strings[0] or strings[-1]:
        what = "the symbol string table is empty, or has no NUL at its start or end"
        tested: Severity = "refuses" if facts.has("symbol-strings-tested") else "cannot-tell"
        yield Fault(what, shown(strings[:1] + strings[-1:]), "wants 00 00", None, REBUILD, tested)
