"""The strings that types of BTF are named by, and what may stand in them (kernel/bpf/btf.c, lib/ctype.c)."""

from __future__ import annotations

import re

from pyinsmod.btf.base import BaseBtf
from pyinsmod.btf.header import NAME_LIMIT, Header

# `isalpha`, `isdigit` and `isprint` of lib/ctype.c, which knows Latin-1; no longer than KSYM_NAME_LEN.
_LETTER = rb"A-Za-z_.\xc0-\xd6\xd8-\xf6\xf8-\xff"
_IDENTIFIER = re.compile(rb"[%s][%s0-9]{0,511}\0" % (_LETTER, _LETTER))
_PRINTABLE = re.compile(rb"[\x20-\x7e\xa0-\xff]{1,512}\0")
_EMPTY = re.compile(rb"\0")


class Names:
    """The strings that types are named by: those of the base, and after them their own.

    A base that is not known is taken to hold whatever a name may be.
    """

    def __init__(self, data: bytes, header: Header, base: BaseBtf | None, *, split: bool) -> None:
        self._own = data, header.length + header.strings_at
        self._length = header.strings_length
        self._base = (base.raw, base.strings_at) if base else None
        self._first = base.strings_length if base else NAME_LIMIT + 1 if split else 0
        self._identifiers: dict[int, bool] = {}

    def has(self, offset: int) -> bool:
        """Tell whether there is a string at an offset (`btf_name_offset_valid`)."""
        return offset <= NAME_LIMIT and offset - self._first < self._length

    def is_identifier(self, offset: int) -> bool:
        """Tell whether the string at an offset may name something in C."""
        known = self._identifiers.get(offset)
        if known is None:
            known = self._identifiers[offset] = self._matches(_IDENTIFIER, offset)
        return known

    def is_printable(self, offset: int) -> bool:
        """Tell whether the string at an offset may name a section."""
        return self._matches(_PRINTABLE, offset)

    def is_empty(self, offset: int) -> bool:
        """Tell whether the string at an offset is empty."""
        return self._matches(_EMPTY, offset)

    def text(self, offset: int) -> bytes:
        """Return the string at an offset."""
        found = self._at(offset)
        return b"" if found is None else found[0][found[1] : found[0].index(b"\0", found[1])]

    def _matches(self, pattern: re.Pattern[bytes], offset: int) -> bool:
        found = self._at(offset)
        return pattern is not _EMPTY if found is None else pattern.match(*found) is not None

    def _at(self, offset: int) -> tuple[bytes, int] | None:
        if offset >= self._first:
            return self._own[0], self._own[1] + offset - self._first
        return None if self._base is None else (self._base[0], self._base[1] + offset)
