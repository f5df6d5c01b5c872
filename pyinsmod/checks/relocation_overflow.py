"""Does the value of a relocation fit its place, wherever kernel and module come to lie? `__write_relocate_add`."""

from __future__ import annotations

from pyinsmod.checks import loader_memory as at
from pyinsmod.checks.memory_layout import LONG
from pyinsmod.checks.relocation_findings import refusal
from pyinsmod.checks.relocation_types_x86_64 import KINDS
from pyinsmod.finding import Finding
from pyinsmod.lean import Iterator

# How far the real addresses may be from the made-up ones: the kernel's image, and the modules.
_KERNEL_SPAN = (-0x0080_0000, 0x3D80_0000)
_MODULE_SPAN = (-0x003F_F000, 0x07C0_0000)
# Behind the highest boundary a module's area is never found.
_BOTTOM = 1 << 63


def overflow(where: str, kind: int, value: int, base: int, limits: tuple[int, int]) -> Iterator[tuple[Finding, ...]]:
    """Yield the refusal of a value that does not fit its place, or the doubt whether it does.

    Args:
        where: what to call the relocation.
        kind: its type.
        value: what is to be written, computed from made-up addresses.
        base: the symbol's address, which tells how far off the made-up addresses may be.
        limits: the smallest and the largest value that fits.
    """
    fits = {_fits((value + shift) & LONG, limits) for shift in _span(base)}
    if fits == {True}:
        return
    finding = refusal(
        f"{where} overflows: {value:#x} does not fit",
        f"{KINDS[kind].name}, {value:#x}",
        f"wants a value from {limits[0]:#x} to {limits[1]:#x}",
        f"overflow in relocation type {kind} val",
    )
    yield (finding if fits == {False} else finding._replace(severity="cannot-tell"),)


def _span(base: int) -> tuple[int, ...]:
    if at.KERNEL_START <= base < at.KERNEL_END:
        return _KERNEL_SPAN
    return _MODULE_SPAN if base >= at.KERNEL_END else (0,)


def _fits(value: int, limits: tuple[int, int]) -> bool:
    signed = value - (1 << 64) if value >= _BOTTOM and limits[0] < 0 else value
    return limits[0] <= signed <= limits[1]
