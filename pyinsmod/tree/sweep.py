"""What a sound module is known by, read from as few of its bytes as can be.

Each test here is one that a module of a build system passes and that looks at a whole table at once. A module that
fails one is not bad: it is `None`, and goes the long way through `run_checks`. So it must never pass one in which a
check would find something that `quick` does not ask for; tests hold the two against each other.
"""

from __future__ import annotations

import struct
import sys
from array import array
from itertools import compress
from operator import not_

from pyinsmod import elf_format as elf
from pyinsmod.checks.licence import GPL_COMPATIBLE, PROPRIETARY_NAMES
from pyinsmod.lean import NamedTuple
from pyinsmod.module_image import (
    NAME_LENGTH,
    NAME_OFFSET,
    SIGNATURE_MARKER,
    THIS_MODULE,
    VERSION_SIZE,
    pointer_windows,
)
from pyinsmod.signatures.appended import INFO, PKCS7
from pyinsmod.tree.layout import Layout, layout_of
from pyinsmod.tree.sources import TAIL, Bytes

EM_X86_64 = 62
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_WRITE_EXEC = elf.SHF_WRITE | elf.SHF_EXECINSTR
_MODINFO, _VERSIONS, _THIS = b".modinfo", b"__versions", THIS_MODULE.encode()
_LOOKED_AT = (_MODINFO, _VERSIONS, _THIS, b".BTF", b".symtab", b".strtab")
# So many bytes nobody asked for cost no more than another call.
LARGEST_GAP = 16 << 10
_LICENCES = frozenset(licence.encode() for licence in GPL_COMPATIBLE)
_ODD_NAMES = frozenset(name.encode() for name in (*PROPRIETARY_NAMES, "", "vmlinux"))
# The words of .modinfo that taint, and the ones whose lack does: checks/taints.py.
_TAINTING, _EXPECTED = (b"\0staging=", b"\0test="), (b"\0intree=", b"\0retpoline=")
# What all have but libraries and the few that stay: checks/permanent.py.
_EXIT = b"cleanup_module\0"
_ABSOLUTE = {elf.SHN_ABS}
# st_info of global symbols, whatever their types.
_STRONG, _NONE = bytes(1 << 4 | kind for kind in range(16)), frozenset[bytes]()
LITTLE = sys.byteorder == "little"


class Sound(NamedTuple):
    """A module whose structures are as a build system makes them, and what a kernel judges it by.

    Attributes:
        name: in struct module.
        struct_size: bytes of struct module.
        vermagic: from .modinfo.
        modinfo: the strings, each between NULs.
        taints: which words that taint are there, which expected ones are not.
        records: the 64-byte records of __versions; None without that section.
        undefined: names of undefined symbols in table order, `weak` of those some.
        layout: the section headers.
        symbols: the symbol table and its names.
        signature: the signed length and the message; None for an unsigned module.
        stays: whether it has an init function and no exit function.
    """

    name: bytes
    struct_size: int
    vermagic: bytes
    modinfo: bytes
    taints: tuple[bool, ...]
    records: tuple[bytes, ...] | None
    undefined: tuple[bytes, ...]
    weak: frozenset[bytes]
    layout: Layout
    symbols: tuple[bytes, bytes]
    signature: tuple[int, bytes] | None
    stays: bool

    def has(self, section: bytes) -> bool:
        """Tell whether there is such a section, in memory."""
        number = self.layout.number.get(section)
        return number is not None and bool(self.layout.flags[number] & elf.SHF_ALLOC)

    def size(self, section: bytes) -> int:
        """Return the size of a section in memory; 0 without it."""
        return self.layout.sizes[self.layout.number[section]] if self.has(section) else 0


def sound_module(source: Bytes) -> Sound | None:
    """Return what there is to know of a sound module; None when it is not one for certain."""
    raw = source.piece(0, HEADER.size)
    if len(raw) < HEADER.size or not LITTLE:
        return None
    ident, kind, machine, _, _, _, at, _, _, _, _, entry, count, names = HEADER.unpack(raw)
    if ident[:4] != elf.MAGIC or kind != elf.ET_REL or machine != EM_X86_64 or entry != elf.SECTION.size:
        return None
    end = at + count * entry
    if not 0 < names < count or end > source.size or source.size > 0x7FFFFFFF:
        return None
    source.read_tail(max(0, at - TAIL))
    mark = source.size - len(SIGNATURE_MARKER)
    signature = None
    if source.piece(mark, len(SIGNATURE_MARKER)) == SIGNATURE_MARKER:
        signature = _signature(source, mark)
        if signature is None:
            return None
    length = source.size if signature is None else signature[0]
    layout = layout_of(source, source.piece(at, count * entry), names, length) if end <= length else None
    if layout is None:
        return None
    _bring_in(source, layout)
    return _sound(source, layout, signature)


def _bring_in(source: Bytes, layout: Layout) -> None:
    """Read all that is looked at with one call, where it lies close together: code and relocations do not."""
    numbers = [layout.number[name] for name in _LOOKED_AT if name in layout.number]
    start = min([layout.offsets[number] for number in numbers], default=0)
    end = max([layout.offsets[number] + layout.sizes[number] for number in numbers], default=0)
    if end - start <= sum([layout.sizes[number] for number in numbers]) + LARGEST_GAP:
        source.read_window(start, end)


def _signature(source: Bytes, mark: int) -> tuple[int, bytes] | None:
    """Return length and message of what is signed, None for a damaged signature."""
    info = INFO.unpack(source.piece(mark - INFO.size, INFO.size))
    if info != (0, 0, PKCS7, 0, 0, b"\0\0\0", info[6]) or info[6] >= mark - INFO.size:
        return None
    signed = mark - INFO.size - info[6]
    return signed, source.piece(signed, info[6])


def _sound(source: Bytes, layout: Layout, signature: tuple[int, bytes] | None) -> Sound | None:
    modinfo = _text(source, layout, _MODINFO)
    if modinfo is None or modinfo[-1:] != b"\0":
        return None
    modinfo = b"\0" + modinfo
    vermagic = _value(modinfo, b"\0vermagic=")
    if vermagic is None or _value(modinfo, b"\0license=") not in _LICENCES:
        return None
    if b"\0livepatch=" in modinfo or b"\0import_ns=module:" in modinfo:
        return None
    struct_module = _struct_module(source, layout)
    symbols = _symbols(source, layout)
    if struct_module is None or symbols is None:
        return None
    found = _undefined(*symbols, layout)
    if found is None:
        return None
    return Sound(
        *struct_module,
        vermagic,
        modinfo,
        (*(word in modinfo for word in _TAINTING), *(word in modinfo for word in _EXPECTED)),
        _records(source, layout),
        *found,
        layout,
        symbols,
        signature,
        _EXIT not in symbols[1] and _stays(source, layout, struct_module[1]),
    )


def _text(source: Bytes, layout: Layout, name: bytes) -> bytes | None:
    """Return the contents of a section that has some, in memory and in the file."""
    number = layout.number.get(name)
    if number is None or layout.types[number] != 1 or not layout.flags[number] & elf.SHF_ALLOC:
        return None
    return source.piece(layout.offsets[number], layout.sizes[number])


def _value(modinfo: bytes, key: bytes) -> bytes | None:
    """Return the first value of a key, which is given with the NUL before it and the sign behind it."""
    at = modinfo.find(key)
    return None if at < 0 else modinfo[at + len(key) : modinfo.index(0, at + len(key))]


def _struct_module(source: Bytes, layout: Layout) -> tuple[bytes, int] | None:
    """Return the name and size of struct module when there is nothing in it but the name."""
    raw = _text(source, layout, _THIS)
    if raw is None or layout.flags[layout.number[_THIS]] & _WRITE_EXEC != elf.SHF_WRITE:
        return None
    field = raw[NAME_OFFSET : NAME_OFFSET + NAME_LENGTH]
    rest = len(raw) - len(field)
    if len(field) < NAME_LENGTH or raw.count(0) - field.count(0) != rest or not field.count(0):
        return None
    name = field[: field.index(0)]
    return None if name in _ODD_NAMES else (name, len(raw))


def _stays(source: Bytes, layout: Layout, size: int) -> bool:
    """Tell what checks/permanent.py asks, by the relocations that put pointers into struct module."""
    this = layout.number[_THIS]
    pairs = enumerate(zip(layout.types, layout.infos, strict=True))
    tables = [number for number, pair in pairs if pair == (elf.SHT_RELA, this)]
    raw = b"".join([source.piece(layout.offsets[number], layout.sizes[number]) for number in tables])
    offsets = {entry[0] for entry in elf.RELA.iter_unpack(raw[: len(raw) - len(raw) % elf.RELA.size])}
    init, leave = [offsets.intersection(window) for window in pointer_windows(size)]
    return len(init) == 1 and len(leave) != 1


def _symbols(source: Bytes, layout: Layout) -> tuple[bytes, bytes] | None:
    """Return the symbol table and its names when every symbol lies in a section and has its name in the table."""
    number = layout.types.index(elf.SHT_SYMTAB)
    link = layout.links[number]
    if not 0 < link < len(layout.types) or layout.types[link] != elf.SHT_STRTAB:
        return None
    if (layout.flags[number] | layout.flags[link]) & elf.SHF_ALLOC:
        return None
    table = source.piece(layout.offsets[number], layout.sizes[number])
    strings = source.piece(layout.offsets[link], layout.sizes[link])
    if not table or len(table) % elf.SYMBOL.size or not strings or strings[0] or strings[-1]:
        return None
    return table, strings


def _undefined(table: bytes, strings: bytes, layout: Layout) -> tuple[tuple[bytes, ...], frozenset[bytes]] | None:
    """Return the names of undefined symbols and, of those, the weak ones; None where a symbol lies nowhere.

    Symbols of the file alone come first, and none of them is undefined.
    """
    places = array("H", table)[3::12]
    names = array("I", table)[0::6]
    if max(names) >= len(strings) or max(set(places) - _ABSOLUTE, default=0) >= len(layout.types):
        return None
    first = layout.infos[layout.types.index(elf.SHT_SYMTAB)]
    if not 0 < first <= len(places) or 0 in places[1:first]:
        return None
    find, defined = strings.index, places[first:]
    undefined = tuple([strings[name : find(0, name)] for name in compress(names[first:], map(not_, defined))])
    bindings = table[4 + 24 * first :: 24]
    if not bindings.translate(None, _STRONG):
        return undefined, _NONE
    weak = [kind >> 4 == elf.STB_WEAK for kind in compress(bindings, map(not_, defined))]
    return undefined, frozenset(compress(undefined, weak))


def _records(source: Bytes, layout: Layout) -> tuple[bytes, ...] | None:
    raw = _text(source, layout, _VERSIONS)
    return None if raw is None or len(raw) % VERSION_SIZE else records_in(raw)


_STRUCTS: dict[int, struct.Struct] = {}
"""One for each number of records."""


def records_in(raw: bytes) -> tuple[bytes, ...]:
    """Return the records of __versions."""
    count = len(raw) // VERSION_SIZE
    if count not in _STRUCTS:
        _STRUCTS[count] = struct.Struct(f"{VERSION_SIZE}s" * count)
    return _STRUCTS[count].unpack(raw)
