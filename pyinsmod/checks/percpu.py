"""Is there room for the module's per-cpu variables? `percpu_modalloc` (kernel/module/main.c), mm/percpu.c."""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "percpu", 8

# PERCPU_MODULE_RESERVE (include/linux/percpu.h), shared by all modules; see `shares`.
RESERVE = 8192
# With other modules loaded, how much is left shows nowhere. Who wants no more than half of it is taken to find it.
TAKEN_TO_BE_FREE = RESERVE // 2


def check_percpu(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield ENOMEM for more per-cpu data than is set aside for all modules together."""
    section = image.percpu_section
    if section is None or not section.size:
        return
    if facts.option("SMP") is False:
        yield _refused(image, section.size, "a kernel for one processor has no room for per-cpu data of modules")
    elif section.size > RESERVE:
        yield _refused(image, section.size, f"for all modules together there are {RESERVE}")
    elif section.size > TAKEN_TO_BE_FREE and facts.loaded.value != {}:
        what = f"{section.size} bytes of per-cpu data, of {RESERVE} for all modules: how many are left shows nowhere"
        yield _refused(image, section.size, what)._replace(severity="cannot-tell", summary=what, log=None)


def _refused(image: ModuleImage, size: int, why: str) -> Finding:
    return Finding(
        NAME,
        STEP,
        "refuses",
        f"wants {size} bytes of per-cpu data, and {why}",
        errno="ENOMEM",
        module_has=f".data..percpu of {size} bytes",
        kernel_has=f"at most {RESERVE} bytes",
        remedy="allocate per-cpu data while the module runs: alloc_percpu()",
        log=f"{image.struct_name}: Could not allocate {size} bytes percpu data",
    )
