"""Do the sections' flags and names go together? `module_enforce_rwx_sections`, `find_module_sections`."""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.elf_names import names_read_late
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

WRITE_EXEC = elf.SHF_WRITE | elf.SHF_EXECINSTR


def check_section_flags(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOEXEC for the first section that could be written and executed, be it in memory or not."""
    strict = facts.built_with("STRICT_MODULE_RWX", "strict-rwx")
    if strict is False:
        return
    from pyinsmod.checks.loader_rules import rules_for  # few modules come here

    rules = rules_for(image, facts)
    headers = rules.prepared()[0] if rules else image.section_headers
    for number, header in enumerate(headers):
        if header.flags & WRITE_EXEC == WRITE_EXEC:
            name = image.sections[number].name
            yield Finding(
                "section-flags",
                8,
                "cannot-tell" if strict is None else "refuses",
                f"section '{name}' is to be both writable and executable",
                errno="ENOEXEC",
                module_has=f"section {number} '{name}' with flags {header.flags:#x}",
                kernel_has="wants SHF_WRITE or SHF_EXECINSTR, not both",
                remedy=f"take one of the two away: objcopy --set-section-flags '{name}=alloc,code,readonly' FILE",
                log=f"{image.struct_name}: section {name} (index {number}) has invalid WRITE|EXEC flags",
            )
            return


def check_constructors(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield EINVAL for a module with constructors of both kinds, where the kernel calls constructors at all.

    Where these are looked for, some names of sections are read for the first time (`find_module_sections`).
    """
    yield from names_read_late(image, facts, "find_any_sec", "constructors", 8)
    called = facts.built_with("CONSTRUCTORS", "constructors")
    ctors = image.find_allocated(".ctors")
    if called is False or ctors is None or image.find_allocated(".init_array") is None:
        return
    yield Finding(
        "constructors",
        8,
        "cannot-tell" if called is None else "refuses",
        "it has constructors in both .ctors and .init_array: two compilers built it",
        errno="EINVAL",
        module_has=".ctors and .init_array",
        kernel_has="wants one of them",
        remedy="build all of it with one compiler: make -C /lib/modules/$(uname -r)/build M=$PWD clean modules",
        log=f"{image.struct_name}: has both .ctors and .init_array.",
    )
