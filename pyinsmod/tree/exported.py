"""What the modules of a tree export to each other, read from the tables that the kernel reads."""

from __future__ import annotations

import re
from array import array
from operator import add

from pyinsmod import elf_format as elf
from pyinsmod.lean import NamedTuple, TypeAlias, cache
from pyinsmod.module_exports import NAME_AT, NAMESPACE_AT
from pyinsmod.tree.sources import Bytes
from pyinsmod.tree.sweep import Sound

_TABLES = (b"__ksymtab", b"__ksymtab_gpl")
_PREFIXES = b"ksymtab", b"crc", b"flags"
# A section, and a place in it.
_Spot: TypeAlias = tuple[int, int]


@cache
def _mark() -> re.Pattern[bytes]:
    """Return a pattern of what symbols are marked with; one name may be the end of another, so little is consumed."""
    return re.compile(b"__(?=(" + b"|".join(_PREFIXES) + b")_)")


class TreeExport(NamedTuple):
    """A symbol that a module of the tree exports; `crc` is None without symbol versions."""

    name: bytes
    crc: int | None
    gpl: bool
    namespace: bytes


def exports_of(source: Bytes, sound: Sound) -> tuple[tuple[bytes, int | None, bool, bytes], ...] | None:
    """Return what a sound module exports, each as the fields of a TreeExport.

    None when its tables are not as a build system makes them.
    """
    if not any(table in sound.layout.number for table in _TABLES):
        return ()
    return _Reader(source, sound).exports()


class _Reader:
    def __init__(self, source: Bytes, sound: Sound) -> None:
        self._source, self._layout = source, sound.layout
        table, self._strings = sound.symbols
        self._places = array("H", table)[3::12]
        self._names = array("I", table)[0::6]
        self._values = array("Q", table)[1::3]
        self._pieces: dict[int, bytes] = {}

    def exports(self) -> tuple[tuple[bytes, int | None, bool, bytes], ...] | None:
        entries, crcs, flags = self._marked()
        tables = {place: self._targets(place) for place in {place for place, _ in entries.values()}}
        gpl = self._layout.number.get(b"__ksymtab_gpl")
        found = []
        for name, (place, value) in entries.items():
            targets = tables[place]
            if targets is None or not self._is_name(targets.get(value + NAME_AT), name):
                return None
            space = self._namespace(targets.get(value + NAMESPACE_AT))
            limited = self._bytes_at(*flags[name], 1) == b"\x01" if name in flags else place == gpl
            found.append((name, self._crc(*crcs[name]) if name in crcs else None, limited, space))
        return tuple(found)

    def _marked(self) -> list[dict[bytes, _Spot]]:
        """Return where entries, CRCs and flags of exports are by their symbols, which are named after the export."""
        found: dict[bytes, dict[bytes, _Spot]] = {prefix: {} for prefix in _PREFIXES}
        strings, find, places, values = self._strings, self._strings.index, self._places, self._values
        numbers = dict(zip(self._names, range(len(places)), strict=True))
        for match in _mark().finditer(strings):
            at = match.start()
            number = numbers.get(at)
            if number is not None and places[number]:
                prefix = match[1]
                found[prefix][strings[at + 3 + len(prefix) : find(0, at)]] = places[number], values[number]
        return list(found.values())

    def _targets(self, table: int) -> dict[int, _Spot] | None:
        """Return what the fields of a table's entries lead to: offset → section and place; None for a damaged table."""
        found: dict[int, _Spot] = {}
        for number, kind in enumerate(self._layout.types):
            if kind == elf.SHT_RELA and self._layout.infos[number] == table:
                longs = array("q", self._content(number))
                symbols = array("I", longs.tobytes())[3::6].tolist()
                if max(symbols, default=0) >= len(self._places):
                    return None
                values = map(add, map(self._values.__getitem__, symbols), longs[2::3])
                found.update(
                    zip(longs[0::3], zip(map(self._places.__getitem__, symbols), values, strict=True), strict=True)
                )
        return found

    def _content(self, number: int) -> bytes:
        if number not in self._pieces:
            self._pieces[number] = self._read(number) if 0 < number < len(self._layout.types) else b""
        return self._pieces[number]

    def _read(self, number: int) -> bytes:
        size = self._layout.sizes[number] if self._layout.types[number] != elf.SHT_NOBITS else 0
        whole = size - size % elf.RELA.size if self._layout.types[number] == elf.SHT_RELA else size
        return self._source.piece(self._layout.offsets[number], whole)

    def _is_name(self, spot: _Spot | None, name: bytes) -> bool:
        return spot is not None and spot[1] >= 0 and self._content(spot[0]).startswith(name + b"\0", spot[1])

    def _namespace(self, spot: _Spot | None) -> bytes:
        if spot is None or spot[1] < 0:
            return b""
        content = self._content(spot[0])
        end = content.find(b"\0", spot[1])
        return content[spot[1] : end] if end >= 0 else b""

    def _bytes_at(self, place: int, value: int, size: int) -> bytes:
        return self._content(place)[value : value + size]

    def _crc(self, place: int, value: int) -> int | None:
        """`__crc_NAME` is the CRC's place, or in older modules the CRC itself."""
        if place == elf.SHN_ABS:
            return value & 0xFFFFFFFF
        word = self._bytes_at(place, value, 4)
        return int.from_bytes(word, "little") if len(word) == 4 else None
