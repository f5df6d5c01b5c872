"""The strings that types of BTF are named by, and what may stand in them (kernel/bpf/btf.c, lib/ctype.c)."""

from __future__ import annotations

from pyinsmod.btf.base import BaseBtf
from pyinsmod.btf.header import NAME_LIMIT, Header

# `isalpha`, `isdigit` and `isprint` of lib/ctype.c, which knows Latin-1. Sets of bytes: `re` takes long to import.
_DIGITS = b"0123456789"
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_." + bytes({*range(0xC0, 0x100)} - {0xD7, 0xF7})
_IDENTIFIER = _LETTERS + _DIGITS
_PRINTABLE = bytes((*range(0x20, 0x7F), *range(0xA0, 0x100)))
# KSYM_NAME_LEN
_LONGEST = 512


class Names:
    """The strings that types are named by: those of the base, and after them their own.

    A base that is not known is taken to hold whatever a name may be.
    """

    def __init__(self, data: bytes, header: Header, base: BaseBtf | None, *, split: bool) -> None:
        self._own = data, header.length + header.strings_at
        self._length = header.strings_length
        self._base = base
        self._first = base.strings_length if base else NAME_LIMIT + 1 if split else 0
        self._identifiers: dict[int, bool] = {}

    def has(self, offset: int) -> bool:
        """Tell whether there is a string at an offset (`btf_name_offset_valid`)."""
        return offset <= NAME_LIMIT and offset - self._first < self._length

    def is_identifier(self, offset: int) -> bool:
        """Tell whether the string at an offset may name something in C."""
        known = self._identifiers.get(offset)
        if known is None:
            name = self._name(offset, b"_") or b""
            known = name[:1] in _LETTERS and bool(name) and not name.translate(None, _IDENTIFIER)
            self._identifiers[offset] = known
        return known

    def is_printable(self, offset: int) -> bool:
        """Tell whether the string at an offset may name a section."""
        name = self._name(offset, b" ") or b""
        return bool(name) and not name.translate(None, _PRINTABLE)

    def is_empty(self, offset: int) -> bool:
        """Tell whether the string at an offset is empty."""
        return self._name(offset, b"_") == b""

    def text(self, offset: int) -> bytes:
        """Return the string at an offset; nothing when it has no end."""
        return self._string(offset, NAME_LIMIT) or b""

    def _name(self, offset: int, of_unknown_base: bytes) -> bytes | None:
        """Return the string at an offset; None when it is longer than a name may be, or does not end."""
        if offset < self._first and self._base is None:
            return of_unknown_base
        return self._string(offset, _LONGEST)

    def _string(self, offset: int, longest: int) -> bytes | None:
        if offset < self._first:
            return None if self._base is None else self._base.string(offset, longest)
        data, strings = self._own
        start = strings + offset - self._first
        end = data.find(b"\0", start, start + longest + 1)
        return data[start:end] if end >= 0 else None
