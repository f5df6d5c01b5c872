"""Can every relocation of an arm64 module be applied? `apply_relocate_add` (arch/arm64/kernel/module.c).

The loader tests the type and whether the value fits, nothing else: not what stands at the place, and not where that
is. Which values fit is told by intervals: how far a symbol may be from the place that names it, wherever kernel and
module come to lie.
"""

from __future__ import annotations

import struct

from pyinsmod import elf_format as elf
from pyinsmod.checks.relocation_findings import REBUILD, RELOCATIONS, refusal
from pyinsmod.checks.relocation_types_aarch64 import KINDS, NAMES
from pyinsmod.elf_format import Section
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator, Mapping, NamedTuple, Sequence, TypeAlias
from pyinsmod.module_image import ModuleImage

Interval: TypeAlias = tuple[int, int]

# Addresses of modules as signed numbers: they begin at PAGE_END, and there are configurations from 36 to 52 bits.
ADDRESSES: Interval = (-(1 << 52), -(1 << 34))
# Modules and kernel lie within two gigabytes (`module_init_limits`, arch/arm64/mm/init.c), less what a symbol is big.
DISTANCES: Interval = (-(1 << 31) + (1 << 26), (1 << 31) - (1 << 26))
NOWHERE: Interval = (0, 0)
# Kinds whose value fits for all symbols of kernel and module, and addends up to this.
_USUAL = {number for number, kind in KINDS.items() if kind.limits is None or (kind.relative and kind.limits[1] >> 31)}
_USUAL |= {number for number, kind in KINDS.items() if kind.relative and kind.limits == (-(1 << 31), (1 << 31) - 1)}
_LARGEST_ADDEND = 1 << 26


def relocation_faults(image: ModuleImage, facts: KernelFacts) -> Iterator[Finding]:
    """Yield the first relocation that cannot be applied, or of which that cannot be told."""
    symbols = _Symbols(image, facts)
    for section in image.sections[1:]:
        if section.info >= len(image.section_headers) or not image.section_headers[section.info].flags & elf.SHF_ALLOC:
            continue
        if section.type == elf.SHT_REL:
            yield refusal("relocations without addends (REL)", "SHT_REL", "RELA", "REL relocation unsupported")
            return
        if section.type == elf.SHT_RELA and not (section.flags & elf.SHF_RELA_LIVEPATCH):
            fault = next(_faults(image, section, symbols), None)
            if fault is not None:
                yield fault
                return


class _Place(NamedTuple):
    """What a relocation is called, the section it changes and the place there."""

    where: str
    section: Section
    offset: int


def _faults(image: ModuleImage, table: Section, symbols: _Symbols) -> Iterator[Finding]:
    target = image.sections[table.info]
    raw = image.section_bytes(table)
    raw = raw[: len(raw) - len(raw) % elf.RELA.size]
    if _usual(raw, target, symbols):
        return
    for number, (offset, info, addend) in enumerate(elf.RELA.iter_unpack(raw)):
        place = _Place(f"relocation {number} in '{table.name}'", target, offset)
        yield from _fault(place, info & 0xFFFFFFFF, info >> 32, addend, symbols)


def _usual(raw: bytes, target: Section, symbols: _Symbols) -> bool:
    """Tell, by a look at whole columns, whether a table is as compilers make them: then all of it fits."""
    words = struct.unpack(f"<{len(raw) // 4}I", raw)
    addends = struct.unpack(f"<{len(raw) // 8}q", raw)[2::3]
    if not words:
        return True
    return (
        set(words[2::6]) <= _USUAL
        and not any(words[1::6])
        and max(words[0::6]) + max(KINDS[kind].width for kind in set(words[2::6])) <= target.size
        and max(words[3::6]) < symbols.count
        and max(map(abs, addends)) < _LARGEST_ADDEND
        and symbols.all_near(set(words[3::6]))
    )


def _fault(place: _Place, kind_number: int, symbol: int, addend: int, symbols: _Symbols) -> Iterator[Finding]:
    if symbol >= symbols.count:
        yield _open(f"{place.where} names symbol {symbol}, which does not exist")
        return
    kind = KINDS.get(kind_number)
    if kind is None:
        name = NAMES.get(kind_number, f"type {kind_number}")
        known = f"wants one of the {len(KINDS)} types from {KINDS[257].name} to {KINDS[299].name} that it knows"
        said = f"{place.where} is of a kind the loader does not know: {name}"
        yield refusal(said, name, known, f"unsupported RELA relocation: {kind_number}")
        return
    if kind.width and place.offset + kind.width > place.section.size:
        yield _open(f"{place.where} changes a place outside of section '{place.section.name}'")
        return
    if kind.limits is None:
        return
    base = symbols.distance(symbol, place) if kind.relative else symbols.address(symbol)
    low, high = (base[0] + addend, base[1] + addend)
    if kind.limits[0] <= low and high <= kind.limits[1]:
        return
    value = f"{low:#x}" if low == high else f"something from {low:#x} to {high:#x}"
    finding = refusal(
        f"{place.where} overflows: {value} does not fit",
        f"{kind.name}, {value}",
        f"wants a value from {kind.limits[0]:#x} to {kind.limits[1]:#x}",
        f"overflow in relocation type {kind_number} val",
    )
    outside = high < kind.limits[0] or low > kind.limits[1]
    yield finding if outside else finding._replace(severity="cannot-tell")


def _open(what: str) -> Finding:
    """Return the doubt about what no loader tests: it may be the death of the kernel, or of a neighbour."""
    summary = f"{what}: what stands in memory there decides what happens"
    return Finding(RELOCATIONS, 10, "cannot-tell", summary, module_has=what, remedy=REBUILD)


class _Symbols:
    """Where symbols lie, as intervals."""

    def __init__(self, image: ModuleImage, facts: KernelFacts) -> None:
        self._image = image
        self._exports = facts.exports.value
        self._entries = list(elf.SYMBOL.iter_unpack(image.symbol_bytes))
        self.count = len(self._entries)

    def all_near(self, numbers: set[int]) -> bool:
        """Tell whether all these are places in kernel or module, none of them a number or nothing."""
        return all(self._near(self._entries[number]) for number in numbers)

    def _near(self, entry: Sequence[int]) -> bool:
        if entry[3] == elf.SHN_UNDEF:
            return entry[1] >> 4 != elf.STB_WEAK
        return entry[3] < len(self._image.sections) and entry[4] < _LARGEST_ADDEND

    def address(self, number: int) -> Interval:
        """Return what the value of a symbol may be."""
        entry = self._entries[number]
        if entry[3] == elf.SHN_ABS or not number:
            value = entry[4] - (entry[4] >> 63 << 64)
            return value, value
        return NOWHERE if self._missing(entry) else ADDRESSES

    def distance(self, number: int, place: _Place) -> Interval:
        """Return how far it may be from a place to a symbol."""
        entry = self._entries[number]
        if entry[3] == place.section.number:
            distance = entry[4] - place.offset
            return distance, distance
        if entry[3] == elf.SHN_ABS or not number or self._missing(entry):
            value = self.address(number)[0]
            return value - ADDRESSES[1], value - ADDRESSES[0]
        return DISTANCES

    def _missing(self, entry: Sequence[int]) -> bool:
        """Tell whether a weak symbol stays 0, as far as the kernel's exports tell."""
        if entry[3] != elf.SHN_UNDEF or entry[1] >> 4 != elf.STB_WEAK:
            return False
        exports: Mapping[str, object] = self._exports or {}
        strings = self._image.section_headers[self._image.symbol_sections[1]]
        return self._image.text_at(strings.offset + entry[0]) not in exports
