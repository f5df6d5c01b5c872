"""A small strict reader of DER: tags, lengths and what they enclose. Nothing is interpreted here.

No ASN.1 library fits: what is wanted of a signature is the kernel's own judgement of it, quirks included
(`signatures/ber.py`), and a certificate has to be found in the midst of a kernel image. This reads the rest.
"""

from __future__ import annotations

from pyinsmod.lean import NamedTuple

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
SEQUENCE, SET = 0x30, 0x31

LONG_TAG, LONG_LENGTH, LONGEST_LENGTH = 0x1F, 0x80, 4


class DerError(ValueError):
    """The bytes are no DER of the shape that was asked for."""


class Element(NamedTuple):
    """One tagged value: where it starts with its header, and where its contents start and end."""

    tag: int
    at: int
    start: int
    end: int

    def contents(self, data: bytes) -> bytes:
        """Return the value without tag and length."""
        return data[self.start : self.end]

    def whole(self, data: bytes) -> bytes:
        """Return the value with tag and length."""
        return data[self.at : self.end]


def read_element(data: bytes, at: int, end: int, tag: int | None = None) -> Element:
    """Read the element at `at`, which may not reach beyond `end`.

    Raises:
        DerError: it is not one, not of that tag, or its length is not in the shortest form.
    """
    if end - at < 2:
        raise DerError(f"nothing at {at}")
    found, length, start = data[at], data[at + 1], at + 2
    if found & LONG_TAG == LONG_TAG or (tag is not None and found != tag):
        raise DerError(f"tag {found:#x} at {at}")
    if length >= LONG_LENGTH:
        count = length - LONG_LENGTH
        length = int.from_bytes(data[start : start + count], "big")
        if not 0 < count <= LONGEST_LENGTH or length < LONG_LENGTH or length >> 8 * (count - 1) == 0:
            raise DerError(f"length of {count} bytes at {at}")
        start += count
    if length > end - start:
        raise DerError(f"element at {at} reaches beyond {end}")
    return Element(found, at, start, start + length)


def read_children(data: bytes, parent: Element) -> list[Element]:
    """Read what a constructed element encloses.

    Raises:
        DerError: its contents are not elements, or they do not end where it ends.
    """
    children, at = [], parent.start
    while at < parent.end:
        children.append(read_element(data, at, parent.end))
        at = children[-1].end
    return children
