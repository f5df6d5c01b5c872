"""A kernel → frozen facts about it. `KernelFacts` is plain data; `running_kernel` is one producer of it."""

from pyinsmod.kernel_facts.facts import Fact, KernelExport, KernelFacts, LoadedModule, unknown
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.kernel_facts.running import caller_may_load, running_kernel

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
