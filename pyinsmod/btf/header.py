"""Header and strings of BTF, judged as `btf_parse_hdr` and `btf_parse_str_sec` do (kernel/bpf/btf.c)."""

from __future__ import annotations

import errno

from pyinsmod.btf import HEADER, MAGIC
from pyinsmod.lean import NamedTuple

# ENOTSUPP is the kernel's own: include/linux/errno.h has it, and no C library knows it.
ENOTSUPP = 524

NAME_LIMIT = 0xFFFFFF
KNOWN_LENGTH, KNOWN_LENGTH_WITH_LAYOUT = 24, 32


class BtfFault(Exception):
    """The first thing the kernel's BTF verifier would object to: its errno, and what is wrong in words."""

    def __init__(self, errno: int, reason: str) -> None:
        self.errno = errno
        self.reason = reason
        super().__init__(reason)


class Unchecked(Exception):
    """The kernel does not test a type's number that it relies on here.

    `fatal` when it follows a null pointer; else it reads memory that is not its own, and nobody knows what that holds.
    """

    def __init__(self, reason: str, *, fatal: bool) -> None:
        self.reason = reason
        self.fatal = fatal
        super().__init__(reason)


class Dialect(NamedTuple):
    """What a kernel's BTF verifier knows; those of 5.11 to 7.2 differ in little.

    Attributes:
        layout: the header has a third section, the layout of kinds (7.2).
        masked_info: bits of `info` that have no meaning must be 0, and vlen has 16 bits (6.12); else it has 24 (7.2).
        chain_limit: chains of modifiers are followed, and may not be long (6.1 and later).
        tags_first: BTF_KIND_TYPE_TAG must stand before every other modifier of a chain (6.1, 6.12).
        any_section_name: a DATASEC may be called anything printable (6.12), not only an identifier (6.1).
    """

    layout: bool = False
    masked_info: bool = True
    chain_limit: bool = True
    tags_first: bool = True
    any_section_name: bool = True


class Header(NamedTuple):
    """`struct btf_header`; what a shorter one in the file leaves out is 0."""

    magic: int
    version: int
    flags: int
    length: int
    types_at: int
    types_length: int
    strings_at: int
    strings_length: int
    layout_at: int = 0
    layout_length: int = 0


def read_header(data: bytes, dialect: Dialect, *, split: bool) -> Header:
    """Return the header of BTF that the kernel takes.

    Args:
        data: the whole BTF.
        dialect: what the kernel knows.
        split: whether the types continue those of a base, as a module's do those of vmlinux.

    Raises:
        BtfFault: the kernel does not take it.
    """
    known = KNOWN_LENGTH_WITH_LAYOUT if dialect.layout else KNOWN_LENGTH
    length = int.from_bytes(data[4:8], "little")
    if len(data) < 8 or len(data) < length:
        raise BtfFault(errno.EINVAL, f"{len(data)} bytes are less than its header of {length}")
    if any(data[known:length]):
        raise BtfFault(errno.E2BIG, f"its header of {length} bytes says more than this kernel knows")
    header = _header(data[: min(length, known)])
    if header.magic != MAGIC:
        raise BtfFault(errno.EINVAL, f"magic {header.magic:#x}, not {MAGIC:#x}")
    if header.version != 1:
        raise BtfFault(ENOTSUPP, f"version {header.version}, not 1")
    if header.flags:
        raise BtfFault(ENOTSUPP, f"flags {header.flags:#x}, and none are known")
    if not split and len(data) == length:
        raise BtfFault(errno.EINVAL, "there is nothing after the header")
    _check_sections(header, len(data) - length)
    return header


def _header(raw: bytes) -> Header:
    """Lay the structure over what the file has of it: 0 stands for the rest (`btf_parse_hdr` copies so much)."""
    raw = raw.ljust(KNOWN_LENGTH_WITH_LAYOUT, b"\0")
    layout = int.from_bytes(raw[24:28], "little"), int.from_bytes(raw[28:32], "little")
    return Header._make((*HEADER.unpack_from(raw), *layout))


def _check_sections(header: Header, room: int) -> None:
    """`btf_check_sec_info`: the sections fill what is after the header, without gap or overlap."""
    sections = [(header.types_at, header.types_length), (header.strings_at, header.strings_length)]
    if header.layout_length:
        sections.append((header.layout_at, header.layout_length))
    filled = 0
    for at, length in sorted(sections):
        if at != filled or room - filled < length:
            raise BtfFault(errno.EINVAL, f"a section at {at} of {length} bytes, where {filled} of {room} are used")
        filled += length
    if filled != room:
        raise BtfFault(errno.EINVAL, f"its sections are {filled} of the {room} bytes after the header")


def check_strings(data: bytes, header: Header, dialect: Dialect, *, split: bool) -> None:
    """Raise BtfFault when the kernel does not take the string section. In split BTF it may be empty."""
    known = KNOWN_LENGTH_WITH_LAYOUT if dialect.layout else KNOWN_LENGTH
    start = header.length + header.strings_at
    end = start + header.strings_length
    may_be_followed = dialect.layout and header.length >= known
    if not may_be_followed and end != len(data):
        raise BtfFault(errno.EINVAL, "its strings are not at the end")
    if split and not header.strings_length:
        return
    if not 0 < header.strings_length <= NAME_LIMIT + 1 or data[end - 1]:
        raise BtfFault(errno.EINVAL, "its strings have no NUL at the end")
    if not split and data[start]:
        raise BtfFault(errno.EINVAL, "its strings do not begin with the empty one")
