"""Are a sound module's relocations as a build system makes them? The sweep of checks/plain.py, column by column.

A table of relocations is looked at as planes of bytes: the kinds of all, the highest bytes of all addends. That takes
a tenth of the time of taking each entry apart. What passes here passes there; what does not goes the long way.
"""

from __future__ import annotations

from array import array
from operator import add, itemgetter, le, sub

from pyinsmod import elf_format as elf
from pyinsmod.checks.plain import LARGEST_ADDEND, LARGEST_MODULE
from pyinsmod.checks.relocation_types_x86_64 import KINDS
from pyinsmod.lean import Sequence, cache, cached_property
from pyinsmod.module_image import THIS_MODULE, pointer_windows
from pyinsmod.tree.layout import Layout
from pyinsmod.tree.sweep import Sound

SIZE = elf.RELA.size
# The places of bytes in an entry: offset, kind, symbol, addend.
_OFFSET, _KIND, _SYMBOL, _ADDEND = 0, 8, 12, 16
_NONE, _ABSOLUTE, _SIGNED = 0, 10, 11
_WIDTHS = {kind: known.width for kind, known in KINDS.items()}
_NARROW = bytes(kind for kind, width in _WIDTHS.items() if width == 4)
_WIDE = bytes(kind for kind, width in _WIDTHS.items() if width == 8)
_PLAIN_KINDS = bytes(KINDS)
_BOTH = b"\0\xff"
_NUMBERS = bytes(range(256))
_ZEROES = bytes(1 << 20)
# Tables of pointers up to so many bytes are compared with a row of offsets that is made once.
_LONGEST_ROW = 1 << 17
# The byte that decides whether an addend is small: below 2^23, or no less than -2^23 (LARGEST_ADDEND).
_SMALL = bytes(0 if byte < 0x80 else 0xFF for byte in range(256))
assert LARGEST_ADDEND == 1 << 23  # noqa: S101 - what the table above is made for


class Relocations:
    """One module's relocation tables."""

    def __init__(self, content: bytes, sound: Sound) -> None:
        self.content, self.layout = content, sound.layout
        self._symbols = sound.symbols[0]

    @cached_property
    def places(self) -> Sequence[int]:
        """The section each symbol lies in."""
        return array("H", self._symbols)[3::12]

    @cached_property
    def values(self) -> Sequence[int]:
        """The value of each symbol."""
        return array("Q", self._symbols)[1::3]

    def plain(self) -> bool:
        """Tell whether each relocation of a section in memory is certainly fine."""
        layout = self.layout
        tables = [number for number, kind in enumerate(layout.types) if kind == elf.SHT_RELA]
        targets = [layout.infos[number] for number in tables]
        if max(targets, default=0) >= len(layout.types) or len(set(targets)) < len(targets):
            return False
        pairs = [
            (number, target)
            for number, target in zip(tables, targets, strict=True)
            if layout.flags[target] & elf.SHF_ALLOC
        ]
        outside = {layout.types[target] for target in targets if not layout.flags[target] & elf.SHF_ALLOC}
        if not outside.isdisjoint((elf.SHT_SYMTAB, elf.SHT_STRTAB)) or not self._struct_module_usual(tables):
            return False
        if any(layout.flags[number] & elf.SHF_ALLOC for number, _ in pairs):
            return False
        contents = [self.entries(number) for number, _ in pairs]
        return self._entries_plain(b"".join(contents)) and all(
            self._table_plain(raw, target) for raw, (_, target) in zip(contents, pairs, strict=True) if raw
        )

    def _struct_module_usual(self, tables: Sequence[int]) -> bool:
        """Tell whether only the pointers to init and exit are put into struct module."""
        number = self.layout.number[THIS_MODULE.encode()]
        found = [each for each in tables if self.layout.infos[each] == number]
        offsets = {entry[0] for each in found for entry in elf.RELA.iter_unpack(self.entries(each))}
        pairs = [offsets.intersection(window) for window in pointer_windows(self.layout.sizes[number])]
        count = sum(self.layout.sizes[each] // SIZE for each in found)
        return count == sum(len(pair) == 1 for pair in pairs)

    def entries(self, number: int) -> bytes:
        """Return a table's whole entries."""
        start, size = self.layout.offsets[number], self.layout.sizes[number]
        return self.content[start : start + size - size % SIZE]

    def _entries_plain(self, raw: bytes) -> bool:
        """Tell whether the entries of all tables are of known kinds, name symbols, and have values that fit."""
        count = len(raw) // SIZE
        if not count:
            return True
        kinds = raw[_KIND::SIZE]
        if kinds.translate(None, _PLAIN_KINDS) or not _zero(raw, count, 4, 5, 6, 7, 9, 10, 11):
            return False
        used = self._used(raw)
        if not self._there(used) or (_ABSOLUTE in kinds and not self._numbers_fit(raw)):
            return False
        return _SIGNED not in kinds or self._values_plain(raw, used)

    def _numbers_fit(self, raw: bytes) -> bool:
        """Tell whether all unsigned words of 32 bits are plain numbers: versions of exports, in modules before 5.19."""
        found = [raw[at : at + SIZE] for at in range(0, len(raw), SIZE) if raw[at + _KIND] == _ABSOLUTE]
        for _, info, addend in elf.RELA.iter_unpack(b"".join(found)):
            number = self.values[info >> 32] + addend
            if self.places[info >> 32] != elf.SHN_ABS or not 0 <= number < 1 << 32:
                return False
        return True

    def _table_plain(self, raw: bytes, target: int) -> bool:
        """Tell whether the places that one table changes are empty and apart."""
        if self.layout.types[target] == elf.SHT_NOBITS:
            return False
        kinds = raw[_KIND::SIZE]
        if _NONE in kinds:
            raw = b"".join([raw[at : at + SIZE] for at in range(0, len(raw), SIZE) if raw[at + _KIND]])
            kinds = raw[_KIND::SIZE]
            if not kinds:
                return True
        start, size = self.layout.offsets[target], self.layout.sizes[target]
        width = 4 if not kinds.translate(None, _NARROW) else 8 if not kinds.translate(None, _WIDE) else 0
        content = self.content[start : start + size]
        offsets = array("Q", raw)[0::3]
        if width and is_empty(content) and in_a_row(offsets, width):
            return len(offsets) * width <= size
        return _apart(offsets.tolist(), content, width) if width else _mixed_apart(offsets.tolist(), content, kinds)

    def _used(self, raw: bytes) -> bytes | set[int]:
        """Return the symbols of all entries: their numbers as bytes where that is all there is of them."""
        few = _zero(raw, len(raw) // SIZE, 13, 14, 15)
        return raw[_SYMBOL::SIZE] if few else set(array("I", raw)[3::6])

    def _there(self, used: bytes | set[int]) -> bool:
        """Tell whether there are such symbols."""
        count = len(self._symbols) // elf.SYMBOL.size
        if isinstance(used, set):
            return max(used, default=0) < count
        return count >= len(_NUMBERS) or not used.translate(None, _NUMBERS[:count])

    def _values_plain(self, raw: bytes, used: bytes | set[int]) -> bool:
        """Tell whether what must fit into 32 bits does: mostly that goes for all entries."""
        if _all_small(raw) and self._within_reach(used):
            return True
        raw = b"".join([raw[at : at + SIZE] for at in range(0, len(raw), SIZE) if raw[at + _KIND] == _SIGNED])
        return _all_small(raw) and self._within_reach(self._used(raw))

    def _within_reach(self, used: bytes | set[int]) -> bool:
        """Tell whether the symbols' addresses are ones of the module's memory or of the kernel."""
        if isinstance(used, set):
            return self._reachable.issuperset(used)
        return not used.translate(None, self._first_reachable)

    @cached_property
    def _reachable(self) -> frozenset[int]:
        """The symbols that the module's memory or the kernel has, but what stays in the copy of the file."""
        layout, staying = self.layout, _staying(self.layout)
        kept = [number for number, flags in enumerate(layout.flags) if flags & elf.SHF_ALLOC and number not in staying]
        near = {elf.SHN_UNDEF, *kept}
        pairs = enumerate(zip(self.places, self.values, strict=True))
        return frozenset([number for number, (place, value) in pairs if place in near and value <= LARGEST_MODULE])

    @cached_property
    def _first_reachable(self) -> bytes:
        return bytes(self._reachable.intersection(_NUMBERS))


def _all_small(raw: bytes) -> bool:
    """Tell whether every addend is small."""
    sign = raw[_ADDEND + 7 :: SIZE]
    if sign.translate(None, _BOTH) or raw[_ADDEND + 2 :: SIZE].translate(_SMALL) != sign:
        return False
    return all(raw[_ADDEND + byte :: SIZE] == sign for byte in (3, 4, 5, 6))


def is_empty(content: bytes) -> bool:
    """Tell whether there is nothing but zeroes."""
    return _ZEROES.startswith(content) if len(content) <= len(_ZEROES) else not content.strip(b"\0")


def in_a_row(offsets: array[int], width: int) -> bool:
    """Tell whether offsets are 0, `width`, twice that, and so on: those of a table of pointers are."""
    if len(offsets) * width > _LONGEST_ROW:
        return offsets.tolist() == list(range(0, len(offsets) * width, width))
    return _rows()[width].startswith(offsets.tobytes())


@cache
def _rows() -> dict[int, bytes]:
    return {width: array("Q", range(0, _LONGEST_ROW, width)).tobytes() for width in (4, 8)}


def _apart(offsets: list[int], content: bytes, width: int) -> bool:
    """Tell whether all places of one width lie in the section, apart from each other, and are empty."""
    if len(offsets) == 1:
        (at,) = offsets
        return at + width <= len(content) and not any(content[at : at + width])
    if min(map(sub, offsets[1:], offsets)) < width:
        offsets.sort()
        if min(map(sub, offsets[1:], offsets)) < width:
            return False
    return offsets[-1] + width <= len(content) and _zero_at(offsets, content, range(width))


def _mixed_apart(offsets: list[int], content: bytes, kinds: bytes) -> bool:
    """Tell the same of a table whose entries change now four, now eight bytes."""
    widths = list(map(_WIDTHS.__getitem__, kinds))
    if not all(map(le, map(add, offsets, widths), offsets[1:])):
        pairs = sorted(zip(offsets, widths, strict=True))
        offsets, widths = [offset for offset, _ in pairs], [width for _, width in pairs]
        if not all(map(le, map(add, offsets, widths), offsets[1:])):
            return False
    wide = [offset for offset, width in zip(offsets, widths, strict=True) if width == 8]
    inside = offsets[-1] + widths[-1] <= len(content)
    return inside and (
        is_empty(content) or (_zero_at(offsets, content, range(4)) and _zero_at(wide, content, range(4, 8)))
    )


def _zero_at(offsets: list[int], content: bytes, places: range) -> bool:
    """Tell whether these bytes behind all offsets are zero."""
    if len(offsets) < 2:
        return not any(content[offset + at] for offset in offsets for at in places)
    pick, zeroes = itemgetter(*offsets), (0,) * len(offsets)
    return all(pick(content[at:]) == zeroes for at in places)


def _staying(layout: Layout) -> tuple[int | None, ...]:
    """Return the sections that stay in the copy of the file, out of reach of 32 bits."""
    return layout.number.get(b".modinfo"), layout.number.get(b"__versions")


def _zero(raw: bytes, count: int, *places: int) -> bool:
    """Tell whether these bytes are zero in all entries."""
    return all(raw[place::SIZE].count(0) == count for place in places)
