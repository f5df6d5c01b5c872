"""Is a module's BTF in shape? What `skim_module_btf` asks, with a pattern that takes hundreds of types in one go."""

from __future__ import annotations

import re
from errno import EINVAL

from pyinsmod.btf.base import FIXED_TAIL, KINDS, TAIL_PER_ELEMENT
from pyinsmod.btf.header import BtfFault, Dialect, check_strings, read_header
from pyinsmod.lean import cache

# Types of more members than that are left to `fills`, one by one.
USUAL_ELEMENTS = 24


def skim(data: bytes, dialect: Dialect) -> None:
    """Raise BtfFault when a module's BTF is not even in shape: header, strings, and types that fill their section."""
    header = read_header(data, dialect, split=True)
    check_strings(data, header, dialect, split=True)
    types = data[header.length + header.types_at :][: header.types_length]
    if len(types) % 4 or not _filled(types):
        raise BtfFault(EINVAL, f"its types do not fill the {header.types_length} bytes of their section")


def _filled(types: bytes) -> bool:
    """Tell what `fills` tells."""
    usual, words = usual_types(), memoryview(types).cast("I")
    at, end = 0, len(types)
    while at < end:
        found = usual.match(types, at)
        at = found.end() if found else at
        if at == end:
            break
        if end - at < 8 or not 0 < words[at // 4 + 1] >> 24 & 0x7F < KINDS:
            return False
        kind, count = words[at // 4 + 1] >> 24 & 0x7F, words[at // 4 + 1] & 0xFFFFFF
        at += 12 + 4 * (FIXED_TAIL[kind] + TAIL_PER_ELEMENT[kind] * count)
    return at == end


@cache
def usual_types() -> re.Pattern[bytes]:
    """Return a pattern of types in a row: name, vlen, kind, size or type, and what follows for that kind and vlen."""
    fixed = [b"...%s.{%d}" % (_kinds(tail, 0), 4 + 4 * tail) for tail in (0, 1, 3)]
    lists = [
        b"\\x%02x\\0\\0(?:%s.{%d}|%s.{%d})" % (count, _kinds(0, 2), 4 + 8 * count, _kinds(0, 3), 4 + 12 * count)
        for count in range(USUAL_ELEMENTS)
    ]
    return re.compile(b"(?s)(?:.{4}(?>" + b"|".join(fixed + lists) + b"))*+")


def _kinds(fixed: int, each: int) -> bytes:
    """Return a class of the bytes that mean a kind with such a tail, with and without the kind's flag."""
    kinds = [kind for kind in range(1, KINDS) if (FIXED_TAIL[kind], TAIL_PER_ELEMENT[kind]) == (fixed, each)]
    return b"[" + b"".join(b"\\x%02x\\x%02x" % (kind, kind | 0x80) for kind in kinds) + b"]"
