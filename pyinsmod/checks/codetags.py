"""Does the module bring the tables a profiling kernel wants? `codetag_load_module` (lib/codetag.c)."""

from __future__ import annotations

from pyinsmod.checks.modversions import rebuild
from pyinsmod.elf_format import SHN_UNDEF
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "codetags", 11

# The only type of tag there is (mm, CONFIG_MEM_ALLOC_PROFILING), and the symbols around its table.
TABLE = "alloc_tags"
BOUNDS = (f"__start_{TABLE}", f"__stop_{TABLE}")


def check_codetags(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield a doubt about a module without the table: newer kernels refuse it, older ones only warn.

    Nothing a kernel shows tells the two apart, nor whether profiling was left out at boot.
    """
    profiles = facts.option("MEM_ALLOC_PROFILING")
    if profiles is False or (profiles is None and not facts.has("codetags")):
        return
    defined = {symbol.name for symbol in image.symbols if symbol.section != SHN_UNDEF}
    if defined.issuperset(BOUNDS):
        return
    yield Finding(
        NAME,
        STEP,
        "cannot-tell",
        f"this kernel profiles allocations and the module has no table for that ({TABLE}): newer kernels refuse it, "
        "older ones only warn",
        errno="EINVAL",
        module_has=f"no {BOUNDS[0]} and {BOUNDS[1]}",
        kernel_has="was built with CONFIG_MEM_ALLOC_PROFILING",
        remedy=rebuild(facts),
        log=f"Failed to load code tags of type {TABLE} from the module {image.name}",
    )
