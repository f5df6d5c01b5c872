"""Can the module be removed again? `delete_module` (kernel/module/main.c) refuses one with init and no exit function.

lsmod shows such a module as [permanent]. Nothing is wrong with loading it; but who tries one out wants to know before.
"""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "permanent", 13


def check_permanent(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield a warning of a module that stays until the next boot, where others could be removed."""
    init, leave = image.init_and_exit
    if init is None or leave is not None or facts.option("MODULE_UNLOAD") is False:
        return
    forced = facts.option("MODULE_FORCE_UNLOAD")
    yield Finding(
        NAME,
        STEP,
        "warns",
        "it has no exit function: once loaded it stays until the next boot",
        module_has="an init function, and no exit function",
        kernel_has="removes it by force only (rmmod -f)" if forced else "does not remove such a module",
        remedy="give it an exit function: module_exit(…)",
    )
