"""BTF, the type information of the BPF world, as far as it says what a module needs to know about a kernel.

Format: Documentation/bpf/btf.rst, include/uapi/linux/btf.h. A header, then types of varying length one after the
other (a type's number is its place, counted from 1), then the strings they are named by.
"""

from __future__ import annotations

from pyinsmod.lean import Iterator, Protocol, Sequence, struct

HEADER = struct.Struct("<HBBIIIII")
MAGIC = 0xEB9F

# struct btf_type: offset of the name, `info` (vlen in bits 0-15, kind in 24-28, kind_flag in 31), size or type.
TYPE = struct.Struct("<III")
KIND_STRUCT = 4

# struct btf_member: offset of the name, type, place in bits (with kind_flag: size in bits 24-31, place below).
MEMBER = struct.Struct("<III")


class Searchable(Protocol):
    """Bytes, or what can be searched and sliced like them, and need not be read whole for it."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes: ...
    def find(self, wanted: bytes, start: int, end: int, /) -> int: ...  # noqa: D102


def struct_size(btf: Searchable, name: str, begins_with: Sequence[str] = ()) -> int | None:
    """Return sizeof(struct `name`) in bytes by the raw BTF of a kernel, or None when that cannot be read from it.

    Args:
        btf: the raw BTF.
        name: the structure's.
        begins_with: members by which it is known; the first one that begins with these is taken, and BTF need not be
            searched further. Without them there must be no two of different sizes.
    """
    sizes = set()
    for at in _places(btf, name):
        size = _type_at(btf, at)[2]
        if begins_with and _begins_with(btf, at, begins_with):
            return size
        sizes.add(size)
    return sizes.pop() if len(sizes) == 1 else None


def _begins_with(btf: Searchable, at: int, names: Sequence[str]) -> bool:
    _, _, _, header, _, _, strings_at, _ = HEADER.unpack(btf[: HEADER.size])
    if _type_at(btf, at)[1] & 0xFFFF < len(names):
        return False
    start = at + TYPE.size
    members = MEMBER.iter_unpack(btf[start : start + len(names) * MEMBER.size])
    for (offset, _, _), name in zip(members, names, strict=True):
        wanted, there = name.encode() + b"\0", header + strings_at + offset
        if btf[there : there + len(wanted)] != wanted:
            return False
    return True


def _type_at(btf: Searchable, at: int) -> tuple[int, ...]:
    return TYPE.unpack(btf[at : at + TYPE.size])


def struct_places(btf: Searchable, name: str) -> list[int]:
    """Return where structures of that name are described.

    A kernel's BTF holds 100,000 types in some megabytes, and walking them takes a tenth of a second. So `bytes.find`
    looks for the name's offset, and what it finds is taken for the struct when all its members make sense.
    """
    return list(_places(btf, name))


def _places(btf: Searchable, name: str) -> Iterator[int]:
    if len(btf) < HEADER.size or btf[:2] != MAGIC.to_bytes(2, "little"):
        return
    _, _, _, header, types_at, types_length, strings_at, strings_length = HEADER.unpack(btf[: HEADER.size])
    strings = header + strings_at, min(header + strings_at + strings_length, len(btf))
    offset = btf.find(b"\0" + name.encode("utf-8", "surrogateescape") + b"\0", *strings) + 1 - strings[0]
    if offset <= 0:
        return
    types = header + types_at, min(header + types_at + types_length, len(btf))
    yield from (at for at in _occurrences(btf, types, offset) if _is_struct(btf, at, types[1], strings))


def _occurrences(btf: Searchable, types: tuple[int, int], word: int) -> Iterator[int]:
    """Yield where a 32-bit number stands; every part of BTF's types is a multiple of four bytes long.

    Zeros at the number's end are common in types, and `bytes.find` takes twice as long when it looks for them, too.
    """
    whole = word.to_bytes(4, "little")
    wanted = whole.rstrip(b"\0")
    at = btf.find(wanted, *types)
    while at >= 0:
        if (at - types[0]) % 4 == 0 and btf[at : at + 4] == whole:
            yield at
        at = btf.find(wanted, at + 1, types[1])


def _is_struct(btf: Searchable, at: int, types_end: int, strings: tuple[int, int]) -> bool:
    """Tell whether a struct is described at `at`.

    A struct has named or anonymous members, in order, which begin within it.
    """
    if at + TYPE.size > types_end:
        return False
    _, info, size = _type_at(btf, at)
    count = info & 0xFFFF
    end = at + TYPE.size + count * MEMBER.size
    if info >> 24 & 0x7F != KIND_STRUCT or info & 0xFF0000 or not count or end > types_end:
        return False
    places = []
    for name, _, place in MEMBER.iter_unpack(btf[at + TYPE.size : end]):
        before = strings[0] + name - 1
        if name >= strings[1] - strings[0] or (name and btf[before : before + 1] != b"\0"):
            return False
        places.append(place & 0xFFFFFF if info >> 31 else place)
    return places == sorted(places) and places[0] == 0 and places[-1] <= size * 8
