"""What the modules of a tree export to each other, read from the tables that the kernel reads."""

from __future__ import annotations

from array import array

from pyinsmod import elf_format as elf
from pyinsmod.lean import NamedTuple
from pyinsmod.module_exports import ENTRY_SIZE, NAME_AT, NAMESPACE_AT
from pyinsmod.tree.sweep import Bytes, Sound

_TABLES = (b"__ksymtab", b"__ksymtab_gpl")
_ENTRY, _CRC, _FLAGS = _PREFIXES = b"__ksymtab_", b"__crc_", b"__flags_"


class TreeExport(NamedTuple):
    """A symbol that a module of the tree exports; `crc` is None without symbol versions."""

    name: bytes
    crc: int | None
    gpl: bool
    namespace: bytes


def exports_of(source: Bytes, sound: Sound) -> tuple[TreeExport, ...] | None:
    """Return what a sound module exports; None when its tables are not as a build system makes them."""
    if not any(table in sound.layout.number for table in _TABLES):
        return ()
    return _Reader(source, sound).exports()


class _Reader:
    def __init__(self, source: Bytes, sound: Sound) -> None:
        self._source, self._layout = source, sound.layout
        table, self._strings = sound.symbols
        self._places = array("H", table)[3::12].tolist()
        self._names = array("I", table)[0::6].tolist()
        self._values = array("Q", table)[1::3].tolist()
        self._pieces: dict[int, bytes] = {}

    def exports(self) -> tuple[TreeExport, ...] | None:
        marked = self._marked()
        targets = self._targets({place for prefix, place, _ in marked.values() if prefix == _ENTRY})
        found = []
        for symbol, (prefix, place, value) in marked.items():
            if prefix != _ENTRY:
                continue
            name, space = targets.get((place, value + NAME_AT)), targets.get((place, value + NAMESPACE_AT))
            own = symbol[len(_ENTRY) :]
            if name != own:
                return None
            found.append(
                TreeExport(name, self._crc(marked.get(_CRC + own)), self._gpl(place, own, marked), space or b"")
            )
        return tuple(found)

    def _marked(self) -> dict[bytes, tuple[bytes, int, int]]:
        """Return the symbols that tell of exports: name → prefix, section, value."""
        found = {}
        strings, find, marked = self._strings, self._strings.index, self._strings.startswith
        for number, at in enumerate(self._names):
            if marked(_PREFIXES, at) and self._places[number]:
                name = strings[at : find(0, at)]
                prefix = next(each for each in _PREFIXES if name.startswith(each))
                found[name] = prefix, self._places[number], self._values[number]
        return found

    def _targets(self, tables: set[int]) -> dict[tuple[int, int], bytes]:
        """Return what the entries' fields lead to: (section, offset) → string."""
        found: dict[tuple[int, int], bytes] = {}
        for number, kind in enumerate(self._layout.types):
            if kind == elf.SHT_RELA and self._layout.infos[number] in tables:
                longs = array("q", self._content(number))
                symbols = array("I", longs.tobytes())[3::6]
                for offset, symbol, addend in zip(longs[0::3], symbols, longs[2::3], strict=True):
                    if offset % ENTRY_SIZE and symbol < len(self._places):
                        text = self._text(self._places[symbol], self._values[symbol] + addend)
                        if text is not None:
                            found[self._layout.infos[number], offset] = text
        return found

    def _content(self, number: int) -> bytes:
        if number not in self._pieces:
            size = self._layout.sizes[number] if self._layout.types[number] != elf.SHT_NOBITS else 0
            whole = size - size % elf.RELA.size if self._layout.types[number] == elf.SHT_RELA else size
            self._pieces[number] = self._source.piece(self._layout.offsets[number], whole)
        return self._pieces[number]

    def _text(self, place: int, value: int) -> bytes | None:
        content = self._content(place) if 0 < place < len(self._layout.types) else b""
        end = content.find(b"\0", value) if 0 <= value < len(content) else -1
        return content[value:end] if end >= 0 else None

    def _crc(self, found: tuple[bytes, int, int] | None) -> int | None:
        """`__crc_NAME` is the CRC's place, or in older modules the CRC itself."""
        if found is None:
            return None
        _, place, value = found
        if place == elf.SHN_ABS:
            return value & 0xFFFFFFFF
        word = self._content(place)[value : value + 4] if place < len(self._layout.types) else b""
        return int.from_bytes(word, "little") if len(word) == 4 else None

    def _gpl(self, place: int, name: bytes, marked: dict[bytes, tuple[bytes, int, int]]) -> bool:
        flags = marked.get(_FLAGS + name)
        if flags is not None:
            return self._content(flags[1])[flags[2] : flags[2] + 1] == b"\x01"
        return place == self._layout.number.get(b"__ksymtab_gpl")
