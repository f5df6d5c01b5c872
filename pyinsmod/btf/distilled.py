"""`.BTF.base`: the types of vmlinux that a module's BTF needs, by name and size, so that it fits other kernels.

`btf_relocate` (tools/lib/bpf/btf_relocate.c, since 6.11) looks each of them up in the BTF of the running kernel.
"""

from __future__ import annotations

import struct
from collections import Counter
from errno import EINVAL, ENOENT

from pyinsmod.btf import MEMBER, TYPE
from pyinsmod.btf.base import BaseBtf
from pyinsmod.btf.header import BtfFault, Unchecked
from pyinsmod.btf.types import (
    ARRAY,
    DATASEC,
    DECL_TAG,
    ENUM,
    ENUM64,
    FLOAT,
    FUNC,
    FUNC_PROTO,
    FWD,
    INT,
    KIND_NAMES,
    MODIFIERS,
    PTR,
    STRUCT,
    UNION,
    VAR,
    Checked,
    Type,
)
from pyinsmod.lean import Iterator, Mapping, NamedTuple

DISTILLED = frozenset({INT, FLOAT, ENUM, STRUCT, UNION, FWD})
COMPOSITE = frozenset({STRUCT, UNION})
# What a name can find in vmlinux; those whose size always counts.
LOOKED_AT = DISTILLED | {ENUM64}
SIZED = frozenset({INT, FLOAT, ENUM, ENUM64})

_WORD = struct.Struct("<I")
_PAIR = struct.Struct("<II")
_TRIPLE = struct.Struct("<III")


class Split:
    """A module's own types, its distilled base's, and the bytes they stand in."""

    def __init__(self, own: Checked, base: Checked) -> None:
        self.data, self.types, _ = own
        self.base_data, self.base, self.base_names = base
        self.first = len(self.base) + 1
        self.end = self.first + len(self.types)

    def type(self, number: int) -> Type | None:
        """Return a type by its number; None for void."""
        if number == 0:
            return None
        if number >= self.end:
            raise Unchecked(f"a member's type is {number}, and the last one is {self.end - 1}", fatal=True)
        return self.base[number - 1] if number < self.first else self.types[number - self.first]


class Candidate(NamedTuple):
    """A type of vmlinux that has the name of a distilled one."""

    name: bytes
    number: int
    kind: int
    flag: bool
    size: int
    encoding: int


def check_relocation(split: Split, base_strings: int, vmlinux: BaseBtf | None) -> None:
    """Raise BtfFault when the kernel cannot map the distilled base to its own types.

    Args:
        split: the module's BTF with its distilled base.
        base_strings: length of the distilled base's strings.
        vmlinux: the kernel's own BTF; None when it is not known, and then nothing is looked up.

    Raises:
        BtfFault: it cannot.
        Unchecked: nobody knows how trying ends.
    """
    for number, found in enumerate(split.base, 1):
        if found.kind not in DISTILLED or not found.name:
            raise BtfFault(EINVAL, f".BTF.base: type {number} is {KIND_NAMES[found.kind]}, or has no name")
    embedded = _embedded(split)
    mapped_names = _mapped(split, embedded, vmlinux) if vmlinux else None
    for found in split.types:
        for number in _references(split.data, found):
            if number >= split.end:
                raise Unchecked(f"type {number} is referred to, and the last one is {split.end - 1}", fatal=False)
    if mapped_names is None:
        return
    for found in split.types:
        for offset in _strings(split.data, found):
            if 0 < offset < base_strings and offset not in mapped_names:
                raise BtfFault(ENOENT, f"the string at {offset} of .BTF.base names no type of the kernel")


def _embedded(split: Split) -> frozenset[int]:
    """Return the distilled structs that are members of own ones (`btf_mark_embedded_composite_type_ids`)."""
    embedded = set()
    for found in split.types:
        if found.kind in COMPOSITE:
            embedded |= {_struct_at(split, number) for number in _references(split.data, found)}
    return frozenset(embedded)


def _struct_at(split: Split, number: int) -> int:
    """Return the distilled struct that a member's type comes to, 0 for none."""
    while found := split.type(number):
        if found.kind in COMPOSITE:
            return number if number < split.first else 0
        if found.kind in MODIFIERS:
            number = found.target
        elif found.kind == ARRAY:
            number = _WORD.unpack_from(split.data, found.tail)[0]
        else:
            break
    return 0


def _mapped(split: Split, embedded: frozenset[int], vmlinux: BaseBtf) -> set[int]:
    """Return the names' offsets of distilled types, each of which the kernel must have just once.

    `btf_relocate_map_distilled_base`.
    """
    by_name: dict[bytes, list[int]] = {}
    for number, found in enumerate(split.base, 1):
        by_name.setdefault(split.base_names.text(found.name), []).append(number)
    mapped: dict[int, int] = {}
    candidates = list(_candidates(vmlinux, by_name))
    composites = Counter(candidate.name for candidate in candidates if candidate.kind in COMPOSITE)
    for candidate in candidates:
        name, size = candidate.name, candidate.size
        by_size = candidate.kind in SIZED or (candidate.kind in COMPOSITE and composites[name] > 1)
        for wanted in by_name[name]:
            if by_size and size != split.base[wanted - 1].size:
                continue
            if not _compatible(split, wanted, embedded, candidate):
                continue
            if wanted in mapped:
                both = f"types {mapped[wanted]} and {candidate.number}"
                raise BtfFault(EINVAL, f".BTF.base: the kernel has two '{_shown(name)}' of {size} bytes, {both}")
            mapped[wanted] = candidate.number
    for wanted, found in enumerate(split.base, 1):
        if wanted not in mapped:
            what = f"{KIND_NAMES[found.kind].lower()} '{_shown(split.base_names.text(found.name))}'"
            raise BtfFault(EINVAL, f".BTF.base: the kernel has no {what} of {found.size} bytes")
    return {split.base[wanted - 1].name for wanted in mapped}


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _candidates(vmlinux: BaseBtf, names: Mapping[bytes, object]) -> Iterator[Candidate]:
    """Yield each type of vmlinux that has one of the names."""
    raw = vmlinux.raw
    wanted: dict[int, bytes] = {}
    for name in names:
        at = raw.find(b"\0" + name + b"\0", vmlinux.strings_at) + 1
        if at and name:
            wanted[at - vmlinux.strings_at] = name
    unpack = TYPE.unpack_from
    for number, at in enumerate(vmlinux.offsets[1:], 1):
        offset, info, size = unpack(raw, at)
        kind = info >> 24 & 0x7F
        if offset in wanted and kind in LOOKED_AT:
            encoding = _encoding(raw, at + TYPE.size) if kind == INT else 0
            yield Candidate(wanted[offset], number, kind, bool(info >> 31), size, encoding)


def _encoding(data: bytes, at: int) -> int:
    return int(_WORD.unpack_from(data, at)[0]) >> 24 & 0xF


def _compatible(split: Split, wanted: int, embedded: frozenset[int], base: Candidate) -> bool:
    """Tell whether a type of vmlinux may stand for a distilled one of its name."""
    found = split.base[wanted - 1]
    kind, flag = base.kind, base.flag
    if found.kind == FWD:
        # The kernel takes the kind_flag of a struct for what it means in a forward declaration: a union.
        return kind in (FWD, STRUCT, UNION) and flag == (found.flag if kind == FWD else kind == UNION)
    if found.kind == ENUM:
        return kind in (ENUM, ENUM64)
    if found.kind in COMPOSITE:
        return not (wanted in embedded and base.size != found.size)
    if found.kind == INT:
        return kind == INT and base.encoding == _encoding(split.base_data, found.tail)
    return kind == found.kind


def _references(data: bytes, found: Type) -> Iterator[int]:
    """Yield the numbers of the types a type refers to, in order (`btf_field_iter`)."""
    if found.kind in MODIFIERS or found.kind in (PTR, FUNC, VAR, DECL_TAG):
        yield found.target
    elif found.kind == ARRAY:
        yield from _TRIPLE.unpack_from(data, found.tail)[:2]
    elif found.kind in COMPOSITE:
        yield from (number for _, number, _ in MEMBER.iter_unpack(_tail(data, found, MEMBER)))
    elif found.kind == FUNC_PROTO:
        yield found.target
        yield from (number for _, number in _PAIR.iter_unpack(_tail(data, found, _PAIR)))
    elif found.kind == DATASEC:
        yield from (number for number, _, _ in _TRIPLE.iter_unpack(_tail(data, found, _TRIPLE)))


def _strings(data: bytes, found: Type) -> Iterator[int]:
    """Yield the offsets of the strings a type and its elements are named by."""
    yield found.name
    layout = {STRUCT: _TRIPLE, UNION: _TRIPLE, ENUM: _PAIR, FUNC_PROTO: _PAIR, ENUM64: _TRIPLE}.get(found.kind)
    if layout is not None:
        yield from (element[0] for element in layout.iter_unpack(_tail(data, found, layout)))


def _tail(data: bytes, found: Type, layout: struct.Struct) -> bytes:
    return data[found.tail : found.tail + found.vlen * layout.size]
