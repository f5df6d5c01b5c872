"""BTF made here: types by their words, a small base, and what stands for the types of a base."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from pyinsmod.btf.header import Dialect

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)
FLAG = 1 << 31
ALL = 0xFFFFFFFF

NEWEST = Dialect(layout=True, masked_info=False, tags_first=False)
OLDER = Dialect()

OWN_STRINGS = b"x\0is.fine_9\0not fine\0" + b"l" * 512 + b"\0" + b"m" * 513 + b"\0"
FINE, ODD, LONG, TOO_LONG, END = 2, 12, 21, 534, len(OWN_STRINGS)


class Place(NamedTuple):
    """Where a module's own strings and types begin, behind those of its base."""

    strings: int
    types: int


def info(kind: int, vlen: int = 0, flag: int = 0) -> int:
    return flag | kind << 24 | vlen


def btf(words: Sequence[int], strings: bytes, extra: bytes = b"", **fields: int) -> bytes:
    """Return BTF with these types and strings; `extra` lengthens the header, `fields` replaces what it says."""
    types = struct.pack(f"<{len(words)}I", *words)
    header = {
        "magic": 0xEB9F,
        "version": 1,
        "flags": 0,
        "length": 24 + len(extra),
        "types_at": 0,
        "types_length": len(types),
        "strings_at": len(types),
        "strings_length": len(strings),
    }
    return struct.pack("<HBBIIIII", *{**header, **fields}.values()) + extra + types + strings


BASE_STRINGS = b"\0int\0pair\0a\0b\0module\0"
# An int, a struct of two ints, and a const int.
BASE_TYPES = [1, info(INT), 4, 0x01000020, 5, info(STRUCT, 2), 8, 10, 1, 0, 12, 1, 32, 0, info(CONST), 1]
BASE = btf(BASE_TYPES, BASE_STRINGS)
HERE = Place(len(BASE_STRINGS), 4)

DISTILLED = btf([1, info(INT), 4, 0x01000020, 5, info(STRUCT), 8], b"\0int\0pair\0")
