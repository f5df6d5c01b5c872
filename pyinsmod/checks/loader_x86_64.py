"""What the loader of x86-64 does in its own way: `__write_relocate_add` (arch/x86/kernel/module.c)."""

from __future__ import annotations

from pyinsmod.checks.loader_memory import AddressSpace, LoaderMemory
from pyinsmod.checks.loader_rules import Relocation, Rules
from pyinsmod.checks.memory_layout import LONG
from pyinsmod.kernel_facts.facts import KernelFacts

# How far the real addresses may be from the made-up ones: the kernel's image, and the modules.
_KERNEL_SPAN = (-0x0080_0000, 0x3D80_0000)
_MODULE_SPAN = (-0x003F_F000, 0x07C0_0000)
# Behind the highest boundary a module's area is never found.
_BOTTOM = 1 << 63


class RULES(Rules):
    """Kernel and modules in the highest two gigabytes; values are addresses there, or fit nowhere."""

    # Documentation/arch/x86/x86_64/mm.rst. Before 6.15 a per-cpu variable's address is its distance from the beginning
    # of the per-cpu area. MODULES_LEN with a kernel that moves its base: no area is bigger.
    space = AddressSpace(
        kernel=(0xFFFFFFFF81000000, 0xFFFFFFFFC0000000),
        modules=0xFFFFFFFFC0400000,
        file=0xFFFFC90000400000,
        percpu=0x30000,
        modules_length=1008 << 20,
    )

    looks_names_up = True

    def shares_text(self, facts: KernelFacts) -> bool:
        """Tell whether code shares large pages: since 6.13 (ARCH_HAS_EXECMEM_ROX)."""
        return bool(facts.has("symbol-strings-tested"))

    def fits(self, _memory: LoaderMemory, relocation: Relocation) -> bool | None:
        """Tell whether an address, or the low half of one, fits."""
        limits = relocation.kind.limits or (0, LONG)
        found = {_fits((relocation.value + shift) & LONG, limits) for shift in self._span(relocation.base)}
        return found.pop() if len(found) == 1 else None

    def _span(self, base: int) -> tuple[int, ...]:
        start, end = self.space.kernel
        if start <= base < end:
            return _KERNEL_SPAN
        return _MODULE_SPAN if base >= end else (0,)


def _fits(value: int, limits: tuple[int, int]) -> bool:
    signed = value - (1 << 64) if value >= _BOTTOM and limits[0] < 0 else value
    return limits[0] <= signed <= limits[1]
