"""A module laid out in memory and relocated as the kernel would do it, up to the first thing that goes wrong.

`move_module`, `simplify_symbols`, `apply_relocations` (kernel/module/main.c); what each architecture does in its own
way is in `loader_rules`. Needed only for modules that no build system makes: see `plain.is_plain`.
"""

from __future__ import annotations

import struct

from pyinsmod import elf_format as elf
from pyinsmod.checks import loader_memory as at
from pyinsmod.checks.loader_memory import LoaderMemory
from pyinsmod.checks.loader_rules import Relocation, Rules, not_followed, rules_for
from pyinsmod.checks.loader_unknown import Unknown
from pyinsmod.checks.memory_layout import LONG, place
from pyinsmod.checks.relocation_findings import (
    MEMORY,
    RELOCATIONS,
    crash,
    first_answer,
    no_memory,
    not_zero,
    of_live_patch,
    refusal,
    unknown_type,
    unsettled_crash,
)
from pyinsmod.checks.struct_module import offset_in_use, overwritten, relocated
from pyinsmod.elf_format import Section, SectionHeader
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Iterator, NamedTuple, Sequence
from pyinsmod.module_image import ModuleImage

_VALUE = struct.Struct("<Q")


class LoaderRun(NamedTuple):
    """How far the loader gets: what it trips over while it fills the memory, or while it relocates.

    `memory` is the module's memory as it then is; None when it was never filled. What it trips over is one finding, or
    a doubt and what may be.
    """

    memory: LoaderMemory | None
    filling: tuple[Finding, ...] = ()
    relocating: tuple[Finding, ...] = ()


def loader_run(image: ModuleImage, facts: KernelFacts) -> LoaderRun:
    """Return the run of a loader like this kernel's over the module; made once for each kind of loader.

    Of an architecture whose loader is not known so closely (`loader_rules`) it is one doubt.

    Raises:
        MalformedModule: a structure the loader needs cannot be read.
    """
    split = facts.has("idempotent-load") is not False
    tests_symbols = facts.has("symbol-sections-tested") is not False
    exports = facts.exports.value
    key = ("loader run", facts.name, split, tests_symbols, id(exports), facts.option("KALLSYMS_ALL"))
    return image.remembered(key, lambda it: _run(it, facts, split=split, tests_symbols=tests_symbols))


def _run(image: ModuleImage, facts: KernelFacts, *, split: bool, tests_symbols: bool) -> LoaderRun:
    runs: list[LoaderRun] = []
    tripped: tuple[Finding, ...] = ()
    for most in (False, True):
        rules = rules_for(image, facts)
        if rules is None:
            return LoaderRun(None, (), (not_followed(image),))
        headers, found = rules.prepared(most=most)
        certain = [finding.severity for finding in found] == ["crashes"]
        loader = _Loader(image, facts, rules, headers, split=split, tests_symbols=tests_symbols)
        runs.append(LoaderRun(None, found) if certain else loader.run())
        if not most and (certain or not found):
            return runs[0]
        tripped = tripped or found
    # Where nobody knows what stands it crashes or goes on, with as little room for branches as there can be or as much.
    if any([finding.severity for finding in (*run.filling, *run.relocating)] != ["crashes"] for run in runs):
        return LoaderRun(None, tripped)
    goes_on = tuple(finding._replace(goes_on=True) for finding in tripped)
    return LoaderRun(None, (*goes_on, *runs[0].filling), runs[0].relocating)


class _Loader:
    def __init__(
        self,
        image: ModuleImage,
        facts: KernelFacts,
        rules: Rules,
        headers: Sequence[SectionHeader],
        *,
        split: bool,
        tests_symbols: bool,
    ) -> None:
        self.image = image
        self.rules = rules
        self.space = rules.space
        self.facts = facts
        self.exports = facts.exports.value
        self.patches_live = facts.built_with("LIVEPATCH", "livepatch") is not False
        self.tests_symbols = tests_symbols
        self.memory = LoaderMemory.__new__(LoaderMemory)
        rox, every = bool(facts.has("symbol-strings-tested")), facts.option("KALLSYMS_ALL") is not False
        self.placement = place(image, headers, split=split, rox=rox, all_symbols=every)
        self.percpu = image.percpu_section
        self.relocates_percpu = facts.has("symbol-strings-tested")
        self.headers = headers
        self.symbols = image.symbol_sections[0]
        self.struct_module = image.struct_module_section
        self.detour: at.Fault | None = None  # where the kernel reads what is not the module's
        self.unknown = Unknown()
        self.afterwards: tuple[Finding, ...] = ()  # what the kernel crashes by when all is relocated
        traced = image.find_allocated("__mcount_loc") if rules.looks_names_up else None
        self.names_looked_up = tests_symbols and traced is not None and traced.size > 0

    def run(self) -> LoaderRun:
        if wanted := no_memory(self.placement.areas, self.space.modules_length, at.LARGEST):
            return LoaderRun(None, (wanted,))
        self.memory = LoaderMemory(self.image, self.placement, self.space, shared_text=self.rules.shared_text)
        fault = self.memory.fill() or self._symbol_fault()
        if fault is not None:
            return LoaderRun(None, self._crash(MEMORY, 8, fault.address, fault.what))
        if self.struct_module is not None:
            self.memory.enter_in_list(self.memory.address(self.struct_module.number))
        relocating = first_answer(self._relocate())
        if self.detour is None:
            return LoaderRun(self.memory, (), relocating or self._symbols_spoilt())
        doubt = self._crash(MEMORY, 8, self.detour.address, self.detour.what)
        if not self.unknown.certain or [finding.severity for finding in relocating] != ["crashes"]:
            return LoaderRun(None, doubt)
        return LoaderRun(None, tuple(finding._replace(goes_on=True) for finding in doubt), relocating)

    def _crash(self, check: str, step: int, address: int, what: str) -> tuple[Finding, ...]:
        """Return the crash of an access to what is not the module's memory, with a doubt if it may be somebody's."""
        unsettled = self.memory.unsettled(address)
        return unsettled_crash(check, step, what) if unsettled else (crash(check, step, what),)

    # --- memory

    def _symbol_fault(self) -> at.Fault | None:
        """Turn every symbol's value into an address (`simplify_symbols`)."""
        values = bytearray(self.image.symbol_bytes)
        addresses: dict[int, int | None] = {}
        names = self.headers[self.image.symbol_sections[1]].offset + self.space.file
        room, own_room = self._room_for_names()
        for number, symbol in enumerate(elf.SYMBOL.iter_unpack(self.image.symbol_bytes)):
            place = symbol[3]
            stays = symbol[0] and place in self.placement.staying
            if number and (stays or not place) and (symbol[0] >= room or (stays and symbol[0] >= own_room)):
                address = names + symbol[0] if 0 <= symbol[0] - room < at.AREA_NEIGHBOURS else 0
                return at.Fault(address, f"the name of symbol {number} is read at {symbol[0]:#x} of the table of names")
            if not number and len(self.headers) <= place < elf.SHN_LORESERVE:
                # `elf_type` (kernel/module/kallsyms.c) reads the flags; nobody tests symbol 0 before it.
                flags = self._header_field(place, 8)
                if self.memory.read(flags, 8) is None:
                    return at.Fault(flags, f"symbol 0 lies in section {place}, of {len(self.headers)}")
            if not number:  # of which nothing else is read
                continue
            if place not in addresses:
                addresses[place] = self._base_of(place)
            base = addresses[place] if place else self._resolved(symbol)
            if base is None:
                what = f"symbol {number} lies in section {place}, of {len(self.headers)}"
                fault = at.Fault(self._header_field(place, 16), what)
                if not self.memory.unsettled(fault.address):
                    return fault
                self.detour = self.detour or fault
                self.unknown.symbols.add(number)
            elif base:
                _VALUE.pack_into(values, elf.SYMBOL.size * number + 8, (base + symbol[4]) & LONG)
        self.memory.write(self.memory.address(self.symbols), bytes(values))
        return None

    def _header_field(self, section: int, offset: int) -> int:
        """Return where the loader reads a field of a section header, be there such a section or not."""
        return self.space.file + self.image.header.shoff + elf.SECTION.size * section + offset

    def _room_for_names(self) -> tuple[int, int]:
        """Return how far names can be read from the beginning of their table: in the file's copy, in the module's own.

        The names of symbols that stay are copied (`layout_symtab`, `add_kallsyms`), those of undefined ones looked up.
        """
        strings = self.image.symbol_sections[1]
        address = self.memory.address(strings)
        ends = [start + len(area) for start, area in self.memory.areas if start <= address < start + len(area)]
        room = self.memory.file_size - self.headers[strings].offset
        return room, (ends[0] - address if ends else room)

    def _base_of(self, section: int) -> int | None:
        """Return what is added to a symbol's value; None when the loader reads it from where nothing is."""
        if section in (elf.SHN_UNDEF, elf.SHN_ABS, elf.SHN_COMMON, elf.SHN_LIVEPATCH):
            return 0
        if self.percpu is not None and section == self.percpu.number:
            return self.space.percpu
        if section < len(self.headers):
            return self.memory.address(section)
        if self.tests_symbols:
            return 0
        raw = self.memory.read(self._header_field(section, 16), 8)
        return None if raw is None else int.from_bytes(raw, "little")

    def _resolved(self, symbol: tuple[int, ...]) -> int:
        """Return what makes an undefined symbol's value an address of the kernel; a weak one may stay as it is."""
        if symbol[1] >> 4 == elf.STB_WEAK and self.exports is not None:
            name = self.image.text_at(self.headers[self.image.symbol_sections[1]].offset + symbol[0])
            if name not in self.exports:
                return 0
        return (self.space.imported - symbol[4]) & LONG

    def _symbols_spoilt(self) -> tuple[Finding, ...]:
        """A relocation may have hit the symbols: their names are read once more (`add_kallsyms`, `kallsyms_lookup`)."""
        table, (_file, room) = self.memory.address(self.symbols), self._room_for_names()
        content = self.memory.read(table, len(self.image.symbol_bytes)) or b""
        for number, symbol in enumerate(elf.SYMBOL.iter_unpack(content)):
            read = not number or symbol[3] in self.placement.staying or (self.names_looked_up and symbol[3])
            if read and symbol[0] >= room:
                return (crash(RELOCATIONS, 10, f"the name of symbol {number} is read at {symbol[0]:#x} of the names"),)
        return ()

    # --- relocations

    def _relocate(self) -> Iterator[tuple[Finding, ...]]:
        for section in self.image.sections[1:]:
            target = self._target(section)
            if target is None:
                continue
            if section.flags & elf.SHF_RELA_LIVEPATCH:
                if self.patches_live:
                    yield (of_live_patch(section),)
            elif section.type == elf.SHT_REL:
                yield (refusal("relocations without addends (REL)", "SHT_REL", "RELA", "REL relocation unsupported"),)
            elif section.type == elf.SHT_RELA:
                yield from self._apply(section, target)
        if self.afterwards:
            yield self.afterwards

    def _target(self, section: Section) -> int | None:
        """Return the number of the section that is relocated, None if the loader passes over the table."""
        if section.info >= len(self.headers):
            return None
        if self.placement.flags[section.info] & elf.SHF_ALLOC:
            return section.info
        percpu = self.percpu is not None and section.info == self.percpu.number
        return section.info if percpu and self.relocates_percpu else None

    def _apply(self, section: Section, target: int) -> Iterator[tuple[Finding, ...]]:
        start, table = self.memory.address(target), self.memory.address(self.symbols)
        content = self.memory.read(self.memory.address(section.number), section.size - section.size % elf.RELA.size)
        if content is None:
            yield (crash(RELOCATIONS, 10, f"the relocations in '{section.name}' are read from where nothing is"),)
            return
        for number, (offset, info, addend) in enumerate(elf.RELA.iter_unpack(content)):
            value_at = (table + elf.SYMBOL.size * (info >> 32) + 8) & LONG
            value = self.memory.read(value_at, 8)
            where = f"relocation {number} in '{section.name}'"
            if value is None:
                yield self._crash(RELOCATIONS, 10, value_at, f"{where} names symbol {info >> 32}, which does not exist")
                return
            kind = self.rules.types.kinds.get(info & 0xFFFFFFFF)
            if kind is None:
                yield (unknown_type(where, info & 0xFFFFFFFF, self.rules.types),)
                return
            base, place_at = int.from_bytes(value, "little"), (start + offset) & LONG
            yield from self._apply_one(
                Relocation(where, info & 0xFFFFFFFF, kind, place_at, info >> 32, base, addend), start
            )

    def _overwrite(self, relocation: Relocation, offset: int) -> Iterator[tuple[Finding, ...]]:
        """Yield what becomes of a relocation of struct module, where what stands there does not matter."""
        found = overwritten(self.image, relocation, offset, self.facts)
        if [finding.severity for finding in found] == ["crashes"]:
            self.afterwards = self.afterwards or found
        elif found:
            yield found
        yield from self.rules.overflow(self.memory, relocation)

    def _apply_one(self, relocation: Relocation, start: int) -> Iterator[tuple[Finding, ...]]:
        where, place_at, width = relocation.where, relocation.place, relocation.kind.width
        if not width:
            return
        if self.detour is not None:
            self.unknown.meet(relocation, tables=not self.memory.in_contents(place_at, width))
        before = self.memory.read(place_at, width) if self.memory.same_area(start, place_at) else None
        if before is None and self.memory.in_shared_text(start, place_at):
            before = b"\xcc" * width
        if before is None:
            yield self._crash(RELOCATIONS, 10, place_at, f"{where} changes a place outside of the module")
            return
        if self.rules.types.empty and any(before):
            yield (not_zero(where, relocation.number, before),)
        elif (offset := offset_in_use(self.image, self.memory, place_at, width)) is not None:
            if self.rules.types.empty:
                yield (relocated(where, relocation.number, offset, width, self.facts),)
            else:
                yield from self._overwrite(relocation, offset)
        else:
            yield from self.rules.overflow(self.memory, relocation)
        self.memory.write(place_at, self.rules.written(relocation, before))
