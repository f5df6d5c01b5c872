"""BTF, the type information of the BPF world, as far as it says what a module needs to know about a kernel.

Format: Documentation/bpf/btf.rst, include/uapi/linux/btf.h. A header, then types of varying length one after the
other (a type's number is its place, counted from 1), then the strings they are named by.
"""

from __future__ import annotations

import struct

from pyinsmod.lean import Iterator

HEADER = struct.Struct("<HBBIIIII")
MAGIC = 0xEB9F

# struct btf_type: offset of the name, `info` (vlen in bits 0-15, kind in 24-28, kind_flag in 31), size or type.
TYPE = struct.Struct("<III")
KIND_STRUCT = 4

# struct btf_member: offset of the name, type, place in bits (with kind_flag: size in bits 24-31, place below).
MEMBER = struct.Struct("<III")


def struct_size(btf: bytes, name: str) -> int | None:
    """Return sizeof(struct `name`) in bytes by the raw BTF of a kernel, or None when that cannot be read from it."""
    sizes = {TYPE.unpack_from(btf, _types_at(btf) + at)[2] for at in struct_places(btf, name)}
    return sizes.pop() if len(sizes) == 1 else None


def struct_places(btf: bytes, name: str) -> list[int]:
    """Return where structures of that name are described, from the beginning of the types.

    A kernel's BTF holds 100,000 types in some megabytes, and walking them takes a tenth of a second. So `bytes.find`
    looks for the name's offset, and what it finds is taken for the struct when all its members make sense.
    """
    if len(btf) < HEADER.size or btf[:2] != MAGIC.to_bytes(2, "little"):
        return []
    _, _, _, header, types_at, types_length, strings_at, strings_length = HEADER.unpack_from(btf)
    strings = btf[header + strings_at : header + strings_at + strings_length]
    types = btf[header + types_at : header + types_at + types_length]
    offset = strings.find(b"\0" + name.encode("utf-8", "surrogateescape") + b"\0") + 1
    if not offset:
        return []
    return [at for at in _occurrences(types, offset) if _is_struct(types, at, strings)]


def _types_at(btf: bytes) -> int:
    _, _, _, header, types_at, _, _, _ = HEADER.unpack_from(btf)
    return int(header + types_at)


def _occurrences(types: bytes, word: int) -> Iterator[int]:
    """Yield where a 32-bit number stands; every part of BTF's types is a multiple of four bytes long."""
    wanted = word.to_bytes(4, "little")
    at = types.find(wanted)
    while at >= 0:
        if at % 4 == 0:
            yield at
        at = types.find(wanted, at + 1)


def _is_struct(types: bytes, at: int, strings: bytes) -> bool:
    """Tell whether a struct is described at `at`.

    A struct has named or anonymous members, in order, which begin within it.
    """
    if at + TYPE.size > len(types):
        return False
    _, info, size = TYPE.unpack_from(types, at)
    count = info & 0xFFFF
    end = at + TYPE.size + count * MEMBER.size
    if info >> 24 & 0x7F != KIND_STRUCT or info & 0xFF0000 or not count or end > len(types):
        return False
    places = []
    for name, _, place in MEMBER.iter_unpack(types[at + TYPE.size : end]):
        if name >= len(strings) or (name and strings[name - 1]):
            return False
        places.append(place & 0xFFFFFF if info >> 31 else place)
    return places == sorted(places) and places[0] == 0 and places[-1] <= size * 8
