"""What the loader of arm64 does in its own way: arch/arm64/kernel/module.c and module-plts.c.

It tests the type of a relocation and whether the value fits, nothing else: not what stands at the place, and not where
that is. Before anything is laid out it counts the branches that may be too long, and makes room for as many entries
of a table that take the rest of the way. Processors that need care with ADRP (erratum 843419) are left aside.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.loader_memory import AddressSpace, LoaderMemory
from pyinsmod.checks.loader_rules import Relocation, Rules
from pyinsmod.checks.memory_layout import CACHE_LINE, INIT, INIT_TEXT, LONG, unsettled_behind_file
from pyinsmod.checks.plt_sections import SECTIONS, TRAMPOLINES
from pyinsmod.checks.relocation_findings import RELOCATIONS, by_distance, crash, refusal, unsettled_crash
from pyinsmod.checks.relocation_kind import RelocationTypes
from pyinsmod.elf_format import PAGE, Section, SectionHeader, page_end
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator, NamedTuple, Sequence, TypeAlias
from pyinsmod.module_image import ModuleImage

Interval: TypeAlias = tuple[int, int]

# Addresses as signed numbers: they begin at PAGE_END, and there are configurations from 36 to 52 bits.
ADDRESSES: Interval = (-(1 << 52), -(1 << 34))
ANYWHERE: Interval = (-(1 << 53), 1 << 53)
# Modules and kernel lie within two gigabytes (`module_init_limits`), less what a symbol is big.
WINDOW = (1 << 31) - (1 << 26)
_SIGN = 1 << 63

# struct plt_entry: adrp, add, br. One of function tracing's entries more, or two before 6.2.
PLT_ENTRY = 12
# How far the address of a page can be (ADRP); for what is further away the entry gets a trap instead.
FAR = 1 << 32

# (bits, position) of the fields of instructions (Arm Architecture Reference Manual, C4.1).
_FIELDS = {
    "immediate26": (26, 0),
    "immediate19": (19, 5),
    "immediate16": (16, 5),
    "immediate14": (14, 5),
    "immediate12": (12, 10),
    "move": (16, 5),
}
_OPCODE, _MOVZ = 3 << 29, 2 << 29
_ADDRESS = 3 << 29 | 0x7FFFF << 5


class RULES(Rules):
    """Kernel and modules within two gigabytes of each other, anywhere in the higher half."""

    # arch/arm64/include/asm/memory.h; a kernel that moves its base lies high above the beginning of vmalloc's area.
    # Per-cpu variables are known by their place in the kernel's image (mm/percpu.c, `__addr_to_pcpu_ptr`).
    space = AddressSpace(
        kernel=(0xFFFFA00040000000, 0xFFFFA00044000000),
        modules=0xFFFFA00030400000,
        file=0xFFFF800010400000,
        percpu=0xFFFFA00042000000,
        modules_length=1 << 31,
        top_byte=True,  # with CONFIG_ARM64_MTE (TCR_MTE_FLAGS, arch/arm64/mm/proc.S)
    )

    def __init__(self, image: ModuleImage, facts: KernelFacts, types: RelocationTypes) -> None:
        super().__init__(image, facts, types)
        self._counted = (0, 0)
        self._branches: dict[bool, _Branches] = {init: _Branches(set(), {}) for init in (False, True)}

    # --- before it is laid out

    def prepared(self, *, most: bool = False) -> tuple[Sequence[SectionHeader], tuple[Finding, ...]]:
        """Return the headers with room for branches (`module_frob_arch_sections`), and what it trips over."""
        names = [section.name for section in self.image.sections]
        last = {name: number for number, name in enumerate(names)}
        if not all(name in last for name in SECTIONS):
            return self.image.section_headers, ()
        headers = list(self.image.section_headers)
        counts = [0, 0]
        tripped: list[Finding] = []
        for section in self.image.sections:
            if section.type != elf.SHT_RELA:
                continue
            counted, lost = self._count(section, names, most=most)
            tripped += lost[: 2 - len(tripped)]
            if [finding.severity for finding in lost] == ["crashes"]:
                return headers, lost
            counts[names[section.info].startswith(".init") if section.info < len(names) else False] += counted
        self._counted = counts[0], counts[1]
        room = {last[name]: (count + 1, CACHE_LINE) for name, count in zip(SECTIONS, counts, strict=True)}
        room |= {last[name]: (2, 4) for name in TRAMPOLINES if name in last}
        for number, (entries, align) in room.items():
            headers[number] = headers[number]._replace(
                type=elf.SHT_NOBITS,
                flags=elf.SHF_EXECINSTR | elf.SHF_ALLOC,
                align=align,
                size=entries * PLT_ENTRY,
            )
        return headers, tuple(tripped)

    def _count(self, table: Section, names: Sequence[str], *, most: bool) -> tuple[int, tuple[Finding, ...]]:
        """Count the branches out of a section that are applied to it (`count_plts`).

        What is read from where nobody knows what stands is told beside it, and counts, or does not: as `most` says.
        """
        tripped: tuple[Finding, ...] = ()
        if table.info < len(names):
            flags = self.image.section_headers[table.info].flags
        else:
            at = self.image.header.shoff + elf.SECTION.size * table.info + 8
            raw = self._file(at, 8)
            if raw is None:
                tripped = self._lost(at, f"'{table.name}' is for section {table.info}, of {len(names)}")
            flags = int.from_bytes(raw, "little") if raw is not None else most * elf.SHF_EXECINSTR
        if not flags & elf.SHF_EXECINSTR:
            return 0, tripped
        content = self.image.section_bytes(table)
        symbols = self.image.section_headers[self.image.symbol_sections[0]].offset
        places: dict[int, int] = {}
        found, more = set(), 0
        for _offset, info, addend in elf.RELA.iter_unpack(content[: len(content) - len(content) % elf.RELA.size]):
            if info & 0xFFFFFFFF not in self.types.branches:
                continue
            symbol = info >> 32
            if symbol not in places:
                at = symbols + elf.SYMBOL.size * symbol + 6
                raw = self._file(at, 2)
                if raw is None:
                    what = f"a branch in '{table.name}' is to symbol {symbol}, which does not exist"
                    tripped = tripped or self._lost(at, what)
                places[symbol] = int.from_bytes(raw, "little") if raw is not None else table.info - most
            if places[symbol] == table.info:
                continue
            found.add(info)
            more += addend != 0
        return len(found) + more, tripped

    def _file(self, offset: int, size: int) -> bytes | None:
        """Return what stands in the copy of the file, whose last page is filled up with zeros."""
        if offset + size > page_end(len(self.image.data)):
            return None
        return self.image.data[offset : offset + size].ljust(size, b"\0")

    def _lost(self, offset: int, what: str) -> tuple[Finding, ...]:
        unsettled = unsettled_behind_file(offset - page_end(len(self.image.data)))
        return unsettled_crash("memory", 8, what) if unsettled else (crash("memory", 8, what),)

    # --- when it is relocated

    def overflow(self, memory: LoaderMemory, relocation: Relocation) -> Iterator[tuple[Finding, ...]]:
        """Yield what becomes of a value that does not fit, or may not; a branch may find help."""
        if relocation.number not in self.types.branches:
            yield from super().overflow(memory, relocation)
            return
        fits = self.fits(memory, relocation)
        if fits:
            return
        area = memory.area_of(relocation.place)
        init = area is not None and area >= (INIT_TEXT if len(memory.areas) > INIT + 1 else INIT)
        room, branches = self._counted[init], self._branches[init]
        target = relocation.symbol, relocation.addend
        branches.possible[target] = self._far(memory, relocation)
        if fits is False:
            branches.certain.add(target)
        if branches.unlike(*target):
            yield _unlike_entries(relocation)
        if len(branches.possible) <= room:
            return
        finding = refusal(
            f"{relocation.where} is a branch that does not reach, and no entry of {SECTIONS[init]} was counted for it",
            f"{relocation.kind.name}, {relocation.value:#x}",
            f"has room for {room} such branches",
            "",
        )._replace(log=None)
        yield (finding if len(branches.certain) > room else by_distance(finding),)

    def fits(self, memory: LoaderMemory, relocation: Relocation) -> bool | None:
        """Tell whether all, or none, of the values that may be fit."""
        limits, (low, high) = relocation.kind.limits or ANYWHERE, self._values(memory, relocation)
        if low > high:  # from the largest number on, the values go on with the smallest
            return False if high < limits[0] and limits[1] < low else None
        if limits[0] <= low and high <= limits[1]:
            return True
        return False if high < limits[0] or low > limits[1] else None

    def _far(self, memory: LoaderMemory, relocation: Relocation) -> bool | None:
        """Tell whether ADRP does not reach the target of a branch, either; None if where they lie decides."""
        low, high = self._values(memory, relocation)
        if low > high or high < -FAR or low >= FAR:
            return True
        return False if low >= -FAR and high < FAR else None

    def _values(self, memory: LoaderMemory, relocation: Relocation) -> Interval:
        """Return what the value may be: addresses show only to a running kernel, distances within an area here."""
        exact, base, place = _signed(relocation.value), relocation.base, relocation.place
        area = memory.area_of(base)
        known = area is not None or base in (self.space.imported, self.space.percpu)
        if not relocation.kind.relative:
            if base >> 52 != 0xFFF:
                return exact, exact
            low, high = ADDRESSES
            return _signed(low + relocation.addend), _signed(high + relocation.addend)
        if area is not None and area == memory.area_of(place):
            return exact, exact
        if known:  # from one area, too, the others lie within that window
            return _signed(relocation.addend - WINDOW), _signed(relocation.addend + WINDOW)
        if base >> 52 != 0xFFF:
            low, high = (_signed(base + relocation.addend - address) for address in reversed(ADDRESSES))
            return low, high
        if memory.in_file(base):
            return ANYWHERE
        return exact - 2 * WINDOW, exact + 2 * WINDOW

    def written(self, relocation: Relocation, before: bytes) -> bytes:
        """Return the place with the value in its field."""
        field = relocation.kind.field
        if field is None:
            return super().written(relocation, before)
        word, value = int.from_bytes(before, "little"), _signed(relocation.value)
        immediate = value >> field.first
        if field.put == "move":
            word &= ~_OPCODE
            word |= _MOVZ if value >= 0 else 0
            immediate = immediate if value >= 0 else ~immediate
        immediate &= (1 << field.length) - 1
        if field.put == "address":
            word = word & ~_ADDRESS | (immediate & 3) << 29 | (immediate >> 2) << 5
        else:
            bits, position = _FIELDS[field.put]
            word = word & ~(((1 << bits) - 1) << position) | immediate << position
        return (word & 0xFFFFFFFF).to_bytes(4, "little")


class _Branches(NamedTuple):
    """Symbols and addends of branches that do not reach: those that certainly do not, and all that may not.

    Of these whether ADRP does not reach, either.
    """

    certain: set[tuple[int, int]]
    possible: dict[tuple[int, int], bool | None]

    def unlike(self, symbol: int, addend: int) -> bool:
        """Tell whether another entry may have the same ADD, and an ADRP where this one has none, or vice versa.

        Two such entries in succession are compared by their ADRPs, and what is none is a BUG (`plt_entries_equal`,
        `aarch64_insn_adrp_get_offset`).
        """
        far = self.possible[symbol, addend]
        return any(
            of == symbol and not (other - addend) % PAGE and (far is None or other_far is not far)
            for (of, other), other_far in self.possible.items()
            if other != addend
        )


def _unlike_entries(relocation: Relocation) -> tuple[Finding, ...]:
    what = f"{relocation.where} is a branch over more than {FAR:#x} bytes, and another one's entry is compared with its"
    maybe = crash(RELOCATIONS, 10, what)._replace(summary=f"the kernel may crash: {what}")
    return by_distance(maybe._replace(summary=what, kernel_has=None)), maybe


def _signed(value: int) -> int:
    return ((value + _SIGN) & LONG) - _SIGN
