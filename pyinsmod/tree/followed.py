"""Do the tables that the kernel follows lead to where such tables lead? checks/special_sections.py, without objects.

What is tested is what `_usual` there tests of each entry; a module it does not hold for goes the long way.
"""

from __future__ import annotations

from array import array

from pyinsmod import elf_format as elf
from pyinsmod.checks.patch_tables import (
    ALTERNATIVES,
    CODE,
    LONGEST_PATCH,
    NEW_ALTERNATIVE,
    OLD_ALTERNATIVE,
    TABLES,
    WRITTEN,
    Table,
    built_with_flags,
)
from pyinsmod.checks.patch_tests import Tests, Trouble
from pyinsmod.lean import Callable, Iterable, NamedTuple, Sequence
from pyinsmod.tree.regular import Regular, leads_right, writable
from pyinsmod.tree.relocated import SIZE, Relocations
from pyinsmod.tree.sweep import Sound

_TABLES = {name.encode(): table for name, table in TABLES.items()}
_ALTERNATIVES, _PARAVIRT = ALTERNATIVES.encode(), b".parainstructions"
_JUMPS, _CALLS = b"__jump_table", b".static_call_sites"
_ON_CODE = frozenset({_ALTERNATIVES, _PARAVIRT, _JUMPS, _CALLS})
_WRITTEN = tuple(name.encode() for name in WRITTEN)


def usual_for(content: bytes, sound: Sound, tests: Iterable[Tests]) -> dict[Tests, bool]:
    """Tell by which of these tests a sound module's relocations, and the tables the kernel follows, are usual."""
    relocations = Relocations(content, sound)
    plain = relocations.plain()
    return {each: plain and tables_usual(relocations, each) for each in set(tests)}


def tables_usual(relocations: Relocations, tests: Tests) -> bool:
    """Tell whether every entry has its pointers, and each leads to where such a pointer leads."""
    layout = relocations.layout
    if any(name in layout.number and not writable(relocations, layout.number[name]) for name in _WRITTEN):
        return False
    by_target = {layout.infos[number]: number for number, kind in enumerate(layout.types) if kind == elf.SHT_RELA}
    if tests.flags is None:
        tests = tests._replace(flags=_built_with_flags(relocations, by_target))
    tables = {**_TABLES, _ALTERNATIVES: NEW_ALTERNATIVE if tests.flags else OLD_ALTERNATIVE}
    return all(
        _usual(relocations, _Place(name, tables[name], number), by_target.get(number), tests)
        for name in tables.keys() & layout.number.keys()
        if layout.sizes[number := layout.number[name]]
    )


def _built_with_flags(relocations: Relocations, by_target: dict[int, int]) -> bool:
    number = relocations.layout.number.get(_ALTERNATIVES)
    if number is None or number not in by_target:
        return False
    sizes = relocations.layout.sizes
    return built_with_flags(sizes[number], sizes[by_target[number]] // SIZE)


class _Place(NamedTuple):
    """One table of the module: its name, what it is like, and the number of its section."""

    name: bytes
    table: Table
    number: int


def _usual(relocations: Relocations, place: _Place, rela: int | None, tests: Tests) -> bool:
    (_, table, number), layout = place, relocations.layout
    if not layout.flags[number] & elf.SHF_ALLOC or rela is None or -layout.sizes[number] % table.entry > table.last:
        return False
    raw = relocations.entries(rela)
    if Regular(relocations, place.name, table, number).is_usual(raw, tests):
        return True
    longs, words = array("q", raw), array("I", raw)
    columns = longs[0::3].tolist(), words[2::6].tolist(), words[3::6].tolist(), longs[2::3].tolist()
    wanted = {at + offset for at in range(0, layout.sizes[number], table.entry) for offset in table.pointers}
    if not wanted.issubset(columns[0]):
        return False
    return _pointers_right(relocations, place, columns, tests)


_Columns = tuple[Sequence[int], Sequence[int], Sequence[int], Sequence[int]]


def _pointers_right(relocations: Relocations, place: _Place, columns: _Columns, tests: Tests) -> bool:
    """Tell whether all pointers of entries that have several lead right, and the code that some lead to is right."""
    table = place.table
    first: dict[int, tuple[int, int]] = {}
    odd: set[int] = set()
    for offset, kind, symbol, addend in zip(*columns, strict=True):
        at = offset % table.entry
        pointer = table.pointers.get(at)
        if pointer is None:
            continue
        if not symbol or kind != pointer.relocation:
            return False
        if not leads_right(relocations, symbol, addend, code=pointer.leads_to == CODE, written=pointer.written):
            return False
        where = relocations.values[symbol] + addend
        if not at:
            first[offset] = relocations.places[symbol], where
        elif where & 1:
            odd.add(offset - at)
    return place.name not in _ON_CODE or _code_right(relocations, place, first, odd, tests)


def _code_right(
    relocations: Relocations, place: _Place, first: dict[int, tuple[int, int]], odd: set[int], tests: Tests
) -> bool:
    """Tell whether entries hold nothing unusual beside pointers, and lie on instructions they may lie on."""
    layout, whole = relocations.layout, relocations.content
    start, test = layout.offsets[place.number], _CONTENTS[place.name]
    for at, (section, where) in first.items():
        begin, end = layout.offsets[section], layout.sizes[section]
        code = whole[begin + where : begin + min(where + LONGEST_PATCH, end)]
        if test(tests, whole[start + at : start + at + place.table.entry], code, at in odd) is not None:
            return False
    return True


_CONTENTS: dict[bytes, Callable[[Tests, bytes, bytes, bool], Trouble | None]] = {
    _ALTERNATIVES: lambda tests, entry, code, _odd: tests.alternative(entry, code),
    _PARAVIRT: lambda tests, entry, code, _odd: tests.paravirt(entry, code),
    _JUMPS: lambda tests, entry, code, _odd: tests.jump_label(entry, code),
    # The lowest bit of the pointer to the key tells a tail call.
    _CALLS: lambda tests, _entry, code, odd: tests.static_call(code, tail=odd),
}
