"""The members of a structure by a kernel's type information: name, place and type, as pahole(1) tells them."""

from __future__ import annotations

import struct

from pyinsmod.btf import KIND_STRUCT, MEMBER, TYPE, struct_places
from pyinsmod.btf.base import BaseBtf
from pyinsmod.elf_format import text
from pyinsmod.lean import Iterator, NamedTuple

_PTR, _ARRAY, _UNION, _FUNC_PROTO = 2, 3, 5, 13
# volatile, const, restrict, type tag: they change nobody's place.
_THROUGH = frozenset({9, 10, 11, 18})
_WORDS = {KIND_STRUCT: "struct ", _UNION: "union ", 6: "enum ", 7: "struct ", 19: "enum "}
# struct btf_array: type of an element, type of an index, number of elements.
_ARRAY_FIELDS = struct.Struct("<III")
DEEPEST = 12


class Member(NamedTuple):
    """A member: its name, the bit it begins at, its type in C's words."""

    name: str
    place: int
    type: str


class Structure(NamedTuple):
    """A structure: its size in bytes and its members; those of anonymous ones within it count as its own."""

    size: int
    members: tuple[Member, ...]


def structure(base: BaseBtf, name: str) -> Structure | None:
    """Return the structure of that name; None when the kernel has none, or several that differ."""
    found = {_structure_at(base, at) for at in struct_places(base.raw, name)}
    return found.pop() if len(found) == 1 else None


def _structure_at(base: BaseBtf, at: int) -> Structure:
    size = TYPE.unpack_from(base.raw, at)[2]
    return Structure(size, tuple(_members(base, at, 0, 0)))


def _members(base: BaseBtf, at: int, start: int, depth: int) -> Iterator[Member]:
    _, info, _ = TYPE.unpack_from(base.raw, at)
    first = at + TYPE.size
    for name, number, raw in MEMBER.iter_unpack(base.raw[first : first + (info & 0xFFFF) * MEMBER.size]):
        place = start + (raw & 0xFFFFFF if info >> 31 else raw)
        if name:
            yield Member(_name(base, name), place, _type(base, number, 0))
        elif depth < DEEPEST and base.kind(number) in (KIND_STRUCT, _UNION):
            yield from _members(base, base.offsets[number], place, depth + 1)


def _type(base: BaseBtf, number: int, depth: int) -> str:
    if not number or depth > DEEPEST:
        return "void" if not number else "…"
    at = base.offsets[number]
    name, info, target = TYPE.unpack_from(base.raw, at)
    kind = info >> 24 & 0x1F
    if kind == _PTR:
        return f"{_type(base, target, depth + 1)} *"
    if kind == _ARRAY:
        element, _, count = _ARRAY_FIELDS.unpack_from(base.raw, at + TYPE.size)
        return f"{_type(base, element, depth + 1)}[{count}]"
    if kind in _THROUGH:
        return _type(base, target, depth + 1)
    if kind == _FUNC_PROTO:
        return "function"
    return _WORDS.get(kind, "") + (_name(base, name) if name else "{…}")


def _name(base: BaseBtf, offset: int) -> str:
    start = base.strings_at + offset
    return text(base.raw[start : base.raw.index(0, start)])
