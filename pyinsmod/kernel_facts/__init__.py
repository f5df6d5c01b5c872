"""A kernel → frozen facts about it. `KernelFacts` is plain data; `running_kernel` is one producer of it."""

from pyinsmod.kernel_facts.facts import Fact, KernelExport, KernelFacts, LoadedModule, unknown
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.kernel_facts.running import running_kernel
from pyinsmod.lean import TYPE_CHECKING

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.privileges import caller_may_load

__all__ = [
    "Fact",
    "KernelExport",
    "KernelFacts",
    "KernelPaths",
    "LoadedModule",
    "caller_may_load",
    "running_kernel",
    "unknown",
]


def __getattr__(name: str) -> object:
    """Import what a prediction does without when somebody asks for it."""
    if name != "caller_may_load":
        raise AttributeError(name)
    from pyinsmod.kernel_facts.privileges import caller_may_load

    return caller_may_load
