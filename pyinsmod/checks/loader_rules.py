"""What the loader of an architecture does in a way of its own; one file each, loader_NAME.py, with its `RULES`.

The rest of a load is the same everywhere (kernel/module/main.c) and stands in `loader_run`.
"""

from __future__ import annotations

from pyinsmod.checks.loader_memory import AddressSpace, LoaderMemory
from pyinsmod.checks.memory_layout import LONG
from pyinsmod.checks.relocation_findings import REBUILD, RELOCATIONS, by_distance, refusal
from pyinsmod.checks.relocation_kind import RelocationKind, RelocationTypes, types_of
from pyinsmod.elf_format import MACHINE_NAMES, SectionHeader, machine_name
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator, NamedTuple, Sequence
from pyinsmod.module_image import ModuleImage


class Relocation(NamedTuple):
    """One relocation that is applied.

    Attributes:
        where: what to call it.
        number: of its kind.
        kind: what it does.
        place: the address it changes.
        symbol: its symbol, by number.
        base: the symbol's value, an address as a rule.
        addend: what is added to that.
    """

    where: str
    number: int
    kind: RelocationKind
    place: int
    symbol: int
    base: int
    addend: int

    @property
    def value(self) -> int:
        """What is to be written, computed from made-up addresses: 64 bits without a sign."""
        target, place = (self.base + self.addend) & LONG, self.place
        if self.kind.page:
            target, place = target & ~0xFFF, place & ~0xFFF
        return (target - (place if self.kind.relative else 0)) & LONG


class Rules:
    """How one module fares with the loader of its architecture.

    Attributes:
        space: where things lie.
        types: the relocations.
        looks_names_up: whether a place that the function tracer may change is looked up among the symbols
            (`test_for_valid_rec`, since 5.19, where FTRACE_MCOUNT_MAX_OFFSET is defined).
        shared_text: whether code of all modules is put into large pages full of traps (`execmem_fill_trapping_insns`).
    """

    space: AddressSpace
    looks_names_up = False

    def __init__(self, image: ModuleImage, facts: KernelFacts, types: RelocationTypes) -> None:
        self.image = image
        self.types = types
        self.shared_text = self.shares_text(facts)

    def shares_text(self, _facts: KernelFacts) -> bool:
        """Tell whether code of all modules shares pages."""
        return False

    def prepared(self, *, most: bool = False) -> tuple[Sequence[SectionHeader], tuple[Finding, ...]]:  # noqa: ARG002
        """Return the section headers as `module_frob_arch_sections` leaves them, and what it trips over.

        What it trips over may be a doubt and what may be, and it goes on: with as much room as there can be where
        `most`, else with as little.
        """
        return self.image.section_headers, ()

    def fits(self, memory: LoaderMemory, relocation: Relocation) -> bool | None:
        """Tell whether a value fits its place, wherever kernel and module come to lie; None if that decides."""
        raise NotImplementedError

    def overflow(self, memory: LoaderMemory, relocation: Relocation) -> Iterator[tuple[Finding, ...]]:
        """Yield the refusal of a value that does not fit its place, or the doubt whether it does."""
        limits = relocation.kind.limits
        fits = True if limits is None else self.fits(memory, relocation)
        if fits or limits is None:
            return
        value = relocation.value
        finding = refusal(
            f"{relocation.where} overflows: {value:#x} does not fit",
            f"{relocation.kind.name}, {value:#x}",
            f"wants a value from {limits[0]:#x} to {limits[1]:#x}",
            f"overflow in relocation type {relocation.number} val",
        )
        yield (finding if fits is False else by_distance(finding),)

    def written(self, relocation: Relocation, _before: bytes) -> bytes:
        """Return what stands at the place afterwards."""
        width = relocation.kind.width
        return (relocation.value & ((1 << 8 * width) - 1)).to_bytes(width, "little")


def rules_for(image: ModuleImage, facts: KernelFacts) -> Rules | None:
    """Return the rules of a module's own architecture; None where damaged modules are not followed."""
    machine = image.header.machine
    types = types_of(machine)
    if types is None or not types.followed:
        return None
    module = __import__(f"{__package__}.loader_{MACHINE_NAMES[machine]}", fromlist=("RULES",))
    rules: Rules = module.RULES(image, facts, types)
    return rules


def not_followed(image: ModuleImage) -> Finding:
    """Return the doubt about a module no build system makes, where nobody knows what it does to the loader."""
    machine = machine_name(image.header.machine)
    what = f"its sections or relocations are not as build systems make them: what {machine} makes of that is not known"
    return Finding(RELOCATIONS, 10, "cannot-tell", what, module_has="unusual sections or relocations", remedy=REBUILD)
