"""Tables that the kernel follows, as compilers write them: entry after entry, each with its pointers and nothing else.

Such a table is looked at by columns. Of all that is reached from one symbol the nearest and the furthest place count:
where those two are right, all between them are. What is not certain here is looked at entry by entry in `followed`.
"""

from __future__ import annotations

from array import array
from itertools import compress

from pyinsmod import elf_format as elf
from pyinsmod.checks.patch_tables import ALTERNATIVES, CODE, CPU_FEATURES, DIRECT_CALL, LONGEST_PATCH, Pointer, Table
from pyinsmod.checks.patch_tests import CALL, NOP5, Tests
from pyinsmod.checks.special_sections import LARGEST_OBJECT
from pyinsmod.lean import Iterable, Iterator
from pyinsmod.tree.relocated import SIZE, Relocations

_WRITE_EXEC = elf.SHF_WRITE | elf.SHF_EXECINSTR
_FEATURE_BITS = 0x7FFF
# Beyond so many symbols a table is gone through once; up to that once for each.
_FEW = 6
# Where struct alt_instr has the number of a feature, and since 6.3 flags; where a site of paravirt has a length.
_FEATURE_AT, _FLAGS_AT, _LENGTH_AT = 8, 10, 9


def writable(relocations: Relocations, place: int) -> bool:
    """Tell whether a section can be written to when it is relocated; what is imported can."""
    layout = relocations.layout
    return not place or (place < len(layout.types) and layout.flags[place] & _WRITE_EXEC == elf.SHF_WRITE)


def leads_right(relocations: Relocations, symbol: int, addend: int, *, code: bool, written: bool) -> bool:
    """Tell whether a pointer leads where such a pointer leads."""
    layout, place = relocations.layout, relocations.places[symbol]
    if written and not writable(relocations, place):
        return False
    if not place:
        return not code and -4 <= addend < LARGEST_OBJECT
    if place >= len(layout.types) or not layout.flags[place] & elf.SHF_ALLOC:
        return False
    if not 0 <= relocations.values[symbol] + addend <= layout.sizes[place]:
        return False
    return not code or bool(layout.flags[place] & elf.SHF_EXECINSTR)


class Regular:
    """One table of a module: its name, what it is like, and the number of its section."""

    def __init__(self, relocations: Relocations, name: bytes, table: Table, number: int) -> None:
        self._relocations, self._name, self._table = relocations, name, table
        self._start, self._size = relocations.layout.offsets[number], relocations.layout.sizes[number]

    def is_usual(self, raw: bytes, tests: Tests) -> bool:
        """Tell whether every entry is certainly as it should be, from the relocations of the table."""
        table, count = self._table, len(self._table.pointers)
        entries = -(-self._size // table.entry)
        if len(raw) != entries * count * SIZE:
            return False
        offsets, kinds = array("Q", raw)[0::3].tolist(), raw[8::SIZE]
        symbols, addends = array("I", raw)[3::6].tolist(), array("q", raw)[2::3].tolist()
        for column, (at, pointer) in enumerate(sorted(table.pointers.items())):
            if kinds[column::count] != bytes((pointer.relocation,)) * entries:
                return False
            if offsets[column::count] != list(range(at, at + entries * table.entry, table.entry)):
                return False
            if not self._lead_right(pointer, spans(symbols[column::count], addends[column::count])):
                return False
        return self._entries_usual(symbols, addends, tests)

    def _lead_right(self, pointer: Pointer, reached: Iterable[tuple[int, int, int]]) -> bool:
        """Tell what `leads_right` tells of both ends of what is reached from each symbol."""
        relocations, layout = self._relocations, self._relocations.layout
        code = pointer.leads_to == CODE
        for symbol, low, high in reached:
            place = relocations.places[symbol]
            if not symbol or (pointer.written and not writable(relocations, place)):
                return False
            if not place:
                if code or low < -4 or high >= LARGEST_OBJECT:
                    return False
                continue
            if place >= len(layout.types) or not layout.flags[place] & elf.SHF_ALLOC:
                return False
            if code and not layout.flags[place] & elf.SHF_EXECINSTR:
                return False
            value = relocations.values[symbol]
            if value + low < 0 or value + high > layout.sizes[place]:
                return False
        return True

    def _entries_usual(self, symbols: list[int], addends: list[int], tests: Tests) -> bool:
        """Tell whether entries hold nothing unusual beside pointers, and lie on code they may lie on."""
        count, name = len(self._table.pointers), self._name
        if name == _CALLS:
            return self._on_calls(symbols, addends)
        room = self._room(tests) if name in _ROOM else 0
        return room is not None and (
            not room
            or all(self._has_room(symbol, high, room) for symbol, _, high in spans(symbols[::count], addends[::count]))
        )

    def _room(self, tests: Tests) -> int | None:
        """Return how many bytes of code the longest entry is about; None when one is to be looked at by itself."""
        raw = self._relocations.content[self._start : self._start + self._size]
        if self._name == _JUMPS:
            return None if tests.nops else len(NOP5)
        if self._name == _PARAVIRT:
            longest = max(raw[_LENGTH_AT :: self._table.entry])
            return longest or 1 if longest <= LONGEST_PATCH else None
        words, step = array("H", raw), self._table.entry // 2
        mask = 0xFFFF if tests.flags else _FEATURE_BITS
        features = max(each & mask for each in set(words[_FEATURE_AT // 2 :: step]))
        if tests.flags and any(flags & DIRECT_CALL for flags in set(words[_FLAGS_AT // 2 :: step])):
            return None
        longest = max(raw[self._table.entry - 2 :: self._table.entry])
        return None if features >= CPU_FEATURES or longest > LONGEST_PATCH else longest

    def _has_room(self, symbol: int, addend: int, room: int) -> bool:
        relocations = self._relocations
        size = relocations.layout.sizes[relocations.places[symbol]]
        return relocations.values[symbol] + addend + room <= size

    def _on_calls(self, symbols: list[int], addends: list[int]) -> bool:
        """Tell whether every entry lies on a call that is no tail call: the pointer to its key is even."""
        relocations = self._relocations
        layout, whole, values = relocations.layout, relocations.content, relocations.values
        if any((values[symbol] + addend) & 1 for symbol, addend in zip(symbols[1::2], addends[1::2], strict=True)):
            return False
        for symbol, addend in zip(symbols[::2], addends[::2], strict=True):
            place, where = relocations.places[symbol], values[symbol] + addend
            if layout.types[place] == elf.SHT_NOBITS or where + len(NOP5) > layout.sizes[place]:
                return False
            if whole[layout.offsets[place] + where] != CALL:
                return False
        return True


_PARAVIRT, _JUMPS, _CALLS = b".parainstructions", b"__jump_table", b".static_call_sites"
_ROOM = frozenset({ALTERNATIVES.encode(), _PARAVIRT, _JUMPS})


def spans(symbols: list[int], addends: list[int]) -> Iterator[tuple[int, int, int]]:
    """Yield each symbol with the smallest and the largest addend that stands beside it."""
    used = set(symbols)
    if len(used) == 1:
        yield symbols[0], min(addends), max(addends)
    elif len(used) <= _FEW:
        for symbol in used:
            first, count = symbols.index(symbol), symbols.count(symbol)
            own = addends[first : first + count]
            if symbols[first : first + count] != [symbol] * count:
                own = list(compress(addends, map(symbol.__eq__, symbols)))
            yield symbol, min(own), max(own)
    else:
        lowest: dict[int, int] = {}
        highest: dict[int, int] = {}
        for symbol, addend in zip(symbols, addends, strict=True):
            if addend <= lowest.get(symbol, addend):
                lowest[symbol] = addend
            if addend >= highest.get(symbol, addend):
                highest[symbol] = addend
        for symbol, low in lowest.items():
            yield symbol, low, highest[symbol]
