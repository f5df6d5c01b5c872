"""Can every section get its file in /sys/module/NAME/sections? `add_sect_attrs` (kernel/module/sysfs.c)."""

from __future__ import annotations

from pyinsmod.elf_format import Section
from pyinsmod.finding import Finding, Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.versions import BASIC, EXTENDED_CRCS, EXTENDED_NAMES

NAME, STEP = "duplicate-sections", 11


def check_duplicate_sections(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EEXIST for two sections of one name that are in memory and not empty; older kernels only complain."""
    if facts.option("KALLSYMS") is False:
        return  # no such files without it
    seen: set[str] = set()
    for section in _with_files(image):
        if section.name in seen:
            yield _duplicate(section.name, image, facts)
            return
        seen.add(section.name)


def _with_files(image: ModuleImage) -> Iterator[Section]:
    """Yield the sections in memory that are not empty, as they are by then.

    The loader has taken some out of memory by their names (`rewrite_section_headers`, `layout_and_allocate`), and
    put the symbols in (`layout_symtab`).
    """
    taken_out = {
        image.modinfo_section,
        image.percpu_section,
        *map(image.find_allocated, (BASIC, EXTENDED_CRCS, EXTENDED_NAMES)),
    }
    for section in image.sections:
        in_memory = section.in_memory or (section.number and section.number in image.symbol_sections)
        if in_memory and section.size and section not in taken_out:
            yield section


def _duplicate(section: str, image: ModuleImage, facts: KernelFacts) -> Finding:
    severity: Severity = "cannot-tell"
    outcome = "newer kernels refuse that, older ones only complain"
    if facts.has("section-files-required"):
        severity, outcome = "refuses", "the second one has no place in /sys/module/NAME/sections"
    elif facts.has("idempotent-load") is False:
        # The errors of these files came to matter long after that; 5.10 and 6.1 write a warning with a call trace.
        severity, outcome = "warns", "this kernel complains, and goes on without /sys/module/NAME/sections"
    return Finding(
        NAME,
        STEP,
        severity,
        f"two of its sections are called '{section}': {outcome.replace('NAME', image.name or '')}",
        errno=None if severity == "warns" else "EEXIST",
        module_has=f"two sections '{section}'",
        kernel_has="wants each name once",
        remedy="link it with the kernel's own script (scripts/module.lds), which merges them, or rename one: "
        "objcopy --rename-section",
        log=f"sysfs: cannot create duplicate filename '/module/{image.name}/sections/{section}'",
    )
