"""Can the module be laid out in memory? `layout_and_allocate`, `move_module` (kernel/module/main.c)."""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.plain import is_plain
from pyinsmod.elf_format import Section
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import NAME_LENGTH, NAME_OFFSET, ModuleImage

STEP = 8

# The part at the end of struct module that zeros are good for, one in so many; before it stand name, lists and init.
TAIL = 8


def check_memory(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield why there is no memory for the module, or what is copied to where there is none."""
    yield from _unfit_struct_module(image, facts)
    yield from _short_struct_module(image, facts)
    if not is_plain(image):
        from pyinsmod.checks.loader_run import loader_run  # big, and only for modules that no build system makes

        yield from loader_run(image, facts).filling
    if facts.has("idempotent-load") is not False:
        yield from _freed_too_early(image)


def _unfit_struct_module(image: ModuleImage, facts: KernelFacts) -> Iterator[Finding]:
    """Older loaders do not mind a struct module without contents, and some a name without an end, until they use it."""
    section = image.struct_module_section
    if section is None:
        return
    name = image.data[section.offset + NAME_OFFSET : section.offset + NAME_OFFSET + NAME_LENGTH]
    what = None
    if section.type == elf.SHT_NOBITS and facts.has("idempotent-load") is False:
        what = "its struct module has no contents in the file, and is all zeros in memory"
    elif b"\0" not in name and facts.has("fortified-strlen"):
        what = "the name in its struct module has no end"
    if what is not None:
        from pyinsmod.checks.relocation_findings import crash

        yield crash("memory", STEP, what)


def _freed_too_early(image: ModuleImage) -> Iterator[Finding]:
    """Since 6.4 a struct module that is not among the data is gone before it is read for the last time.

    `free_mod_mem` frees the areas one by one and looks each up in struct module, which it takes to be in the last of
    them, so that every refusal from here on ends in a crash; and a module that nobody refuses has its struct module
    made read-only before its state is written (`complete_formation`).
    """
    section = image.struct_module_section
    kinds = elf.SHF_ALLOC | elf.SHF_WRITE | elf.SHF_EXECINSTR
    if section is not None and section.flags & kinds == elf.SHF_ALLOC:
        from pyinsmod.checks.relocation_findings import crash

        yield crash("memory", STEP, "its struct module lies in read-only memory, which is freed before it is used last")


def _bytes_behind(image: ModuleImage, facts: KernelFacts, section: Section, count: int) -> bytes | None:
    """Return what stands behind a section in the module's memory; None when that memory is not the module's."""
    from pyinsmod.checks.loader_memory import LoaderMemory
    from pyinsmod.checks.loader_rules import rules_for
    from pyinsmod.checks.memory_layout import place

    rules = rules_for(image, facts)
    if rules is None:
        return None
    memory = LoaderMemory(image, place(image, rules.prepared()[0], split=False), rules.space)
    return None if memory.fill() else memory.read(memory.address(section.number) + section.size, count)


def _short_struct_module(image: ModuleImage, facts: KernelFacts) -> Iterator[Finding]:
    """A loader that does not test the size takes what stands behind a short struct module for the rest of it."""
    section, size = image.struct_module_section, facts.struct_module_size.value
    if section is None or size is None or section.size >= size or facts.has("idempotent-load") is not False:
        return
    from pyinsmod.checks.relocation_findings import REBUILD

    behind = _bytes_behind(image, facts, section, size - section.size)
    harmless = size - section.size <= size // TAIL and behind is not None and not any(behind)
    what = f"struct module has {section.size} bytes, and is used as if it had {size}"
    yield Finding(
        "memory",
        STEP,
        "warns" if harmless else "crashes",
        f"{what}: zeros happen to stand behind it" if harmless else f"the kernel would crash: {what}",
        module_has=f"{section.size} bytes",
        kernel_has=f"{size} bytes, untested",
        remedy=REBUILD,
    )
