"""Is a module's BTF in shape? What `skim_module_btf` asks, with a pattern that takes hundreds of types in one go."""

from __future__ import annotations

import re
import struct
from errno import EINVAL

from pyinsmod.btf import HEADER, MAGIC
from pyinsmod.btf.base import FIXED_TAIL, KINDS, TAIL_PER_ELEMENT
from pyinsmod.btf.header import KNOWN_LENGTH, NAME_LIMIT, BtfFault, Dialect, check_strings, read_header
from pyinsmod.lean import cache

# Types of more members than that are left to `fills`, one by one.
USUAL_ELEMENTS = 24
# What nearly every module's BTF begins with: magic, version, flags, length of the header, types right behind it.
_USUAL = HEADER.pack(MAGIC, 1, 0, KNOWN_LENGTH, 0, 0, 0, 0)[:-12]
_USUAL_LENGTH = len(_USUAL)
# Of types; begin and length of strings.
_LENGTHS = struct.Struct("<III")


def skim(data: bytes, dialect: Dialect) -> None:
    """Raise BtfFault when a module's BTF is not even in shape: header, strings, and types that fill their section."""
    if data[:_USUAL_LENGTH] == _USUAL and data[-1:] == b"\0":
        length, strings_at, strings_length = _LENGTHS.unpack_from(data, len(_USUAL))
        end = KNOWN_LENGTH + length
        usual = length == strings_at and 0 < strings_length <= NAME_LIMIT and end + strings_length == len(data)
        if usual and not length % 4 and _filled(data, KNOWN_LENGTH, end):
            return
    header = read_header(data, dialect, split=True)
    check_strings(data, header, dialect, split=True)
    types = data[header.length + header.types_at :][: header.types_length]
    if len(types) % 4 or not _filled(types, 0, len(types)):
        raise BtfFault(EINVAL, f"its types do not fill the {header.types_length} bytes of their section")


def _filled(data: bytes, at: int, end: int) -> bool:
    """Tell what `fills` tells, of a part of some data."""
    match = usual_types().match
    while at < end:
        found = match(data, at, end)
        at = found.end() if found else at
        if at == end:
            break
        info = int.from_bytes(data[at + 4 : at + 8], "little")
        kind, count = info >> 24 & 0x7F, info & 0xFFFFFF
        if end - at < 8 or not 0 < kind < KINDS:
            return False
        at += 12 + 4 * (FIXED_TAIL[kind] + TAIL_PER_ELEMENT[kind] * count)
    return at == end


@cache
def usual_types() -> re.Pattern[bytes]:
    """Return a pattern of types in a row: name, vlen, kind, size or type, and what follows for that kind and vlen.

    What a module has most of is looked for first.
    """
    lists = [
        b"\\x%02x\\0\\0(?:%s.{%d}|%s.{%d})" % (count, _kinds(0, 2), 4 + 8 * count, _kinds(0, 3), 4 + 12 * count)
        for count in (2, 3, 1, *range(4, USUAL_ELEMENTS), 0)
    ]
    plain, short, array = (b"...%s.{%d}" % (_kinds(tail, 0), 4 + 4 * tail) for tail in (0, 1, 3))
    return re.compile(b"(?s)(?:.{4}(?>" + b"|".join((plain, *lists[:8], array, *lists[8:], short)) + b"))*+")


def _kinds(fixed: int, each: int) -> bytes:
    """Return a class of the bytes that mean a kind with such a tail, with and without the kind's flag."""
    kinds = [kind for kind in range(1, KINDS) if (FIXED_TAIL[kind], TAIL_PER_ELEMENT[kind]) == (fixed, each)]
    return b"[" + b"".join(b"\\x%02x\\x%02x" % (kind, kind | 0x80) for kind in kinds) + b"]"
