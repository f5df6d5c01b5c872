"""Has the module room for branches that do not reach? `module_frob_arch_sections`, `module_init_ftrace_plt` (arm64).

kbuild puts two empty sections into every module of such an architecture (asm/module.lds.h); the loader makes them as
big as it needs. Others, for the function tracer, are looked for when everything else is done.
"""

from __future__ import annotations

from pyinsmod.checks.conditions import names_outside
from pyinsmod.elf_format import EM_AARCH64
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

SECTIONS = (".plt", ".init.plt")
# The second since 6.17, and where that was carried back.
TRAMPOLINES = (".text.ftrace_trampoline", ".init.text.ftrace_trampoline")
REMEDY = "link it again, by kbuild: make -C /lib/modules/$(uname -r)/build M=$PWD clean modules"


def check_plt_sections(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOEXEC for an arm64 module without the two sections, where the kernel wants them.

    Or what it trips over while it looks for them: every section's name is read, untested.
    """
    if image.header.machine == EM_AARCH64 and names_outside(image):
        from pyinsmod.checks.elf_names import names_read_late  # few modules are damaged there

        yield from names_read_late(image, facts, "module_frob_arch_sections", "plt-sections", 8)
    wanted = facts.has("plt-sections-required")
    missing = [name for name in SECTIONS if not image.named(name)]
    if image.header.machine != EM_AARCH64 or wanted is False or not missing:
        return
    yield Finding(
        "plt-sections",
        8,
        "cannot-tell" if wanted is None else "refuses",
        f"it lacks {' and '.join(missing)}: not linked as a module",
        errno="ENOEXEC",
        module_has=f"no section {' and no section '.join(missing)}",
        kernel_has=f"wants {' and '.join(SECTIONS)}",
        remedy=REMEDY,
        log=f"{image.struct_name}: module PLT section(s) missing",
    )


def check_trampoline(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOEXEC, which the kernel gives without a word, for an arm64 module the function tracer cannot reach."""
    traced = facts.built_with("DYNAMIC_FTRACE", "dynamic-ftrace")
    if image.header.machine != EM_AARCH64 or traced is False:
        return
    for name, wanted in zip(TRAMPOLINES, (True, facts.has("init-trampoline-required")), strict=True):
        if image.named(name) or wanted is False:
            continue
        yield Finding(
            "ftrace-trampoline",
            10,
            "refuses" if traced and wanted else "cannot-tell",
            f"it lacks {name}: not linked as a module of such a kernel with a function tracer",
            errno="ENOEXEC",
            module_has=f"no section {name}",
            kernel_has="was built with CONFIG_DYNAMIC_FTRACE",
            remedy=REMEDY,
        )
