"""A raw kernel image → the vmlinux it was made of, as far as its parts are found. arm64 and RISC-V boot such images.

`objcopy -O binary` leaves the bytes as they will stand in memory and nothing that says what is where
(Documentation/arch/arm64/booting.rst, arch/riscv/boot-image-header.rst). The parts are known by what they are made of:
export tables by names in strcmp order that are pointed to from close by, parameters by records whose pointers lead to
names. They are handed on as sections of an ELF file, the form in which other architectures carry the same parts. What
is not found is left out.
"""

from __future__ import annotations

import re
import struct

from pyinsmod.elf_format import EXPORT_DISTANCE, SHF_ALLOC, SHT_PROGBITS, SHT_STRTAB
from pyinsmod.kernel_facts.raw_exports import (
    KINDS,
    POINTER,
    SYMBOL,
    Kind,
    Names,
    Part,
    export_tables,
    with_distances,
)
from pyinsmod.lean import Callable, Iterator

_MAGIC_AT = 56
_FILE_STARTS = 64  # behind the ELF header
# KIMAGE_VADDR lies behind the modules' area, which is 128 MiB (since 6.5: 2 GiB) and begins at such a multiple.
_BASE_ALIGNMENT = 128 << 20

_FEWEST_PARAMETERS = 8
_RELA = struct.Struct("<QQQ")
_PARAMETER = struct.Struct("<QQQHbB4sQ")
_VERSION_ATTRIBUTE = struct.Struct("<QH46sQQ")
_READABLE = 0o444

_BTF_HEADER = re.compile(rb"\x9f\xeb\x01\x00\x18\0\0\0")


def is_raw_image(content: bytes) -> bool:
    """Tell whether this is the `Image` of an architecture that boots such ones."""
    return _kind_of(content) is not None


def _kind_of(content: bytes) -> Kind | None:
    return next((kind for kind in KINDS if content.startswith(kind.magic, _MAGIC_AT)), None)


def as_elf(image: bytes) -> bytes:
    """Return an ELF file with the parts of a raw image as its sections, at the addresses it is linked for.

    Raises:
        ValueError: it is no such image.
    """
    kind = _kind_of(image)
    if kind is None:
        raise ValueError("no raw image of a known kind")
    base, image = _relocated(image, kind)
    names = Names(image, base, kind)
    parts = list(_parts(names))
    if kind.word != EXPORT_DISTANCE:
        image, parts = with_distances(names, parts)
    return _elf_file(image, kind.machine, base, sorted(parts, key=lambda part: part.start))


def _parts(names: Names) -> Iterator[Part]:
    image, base = names.image, names.base
    tables = list(export_tables(names))
    yield from tables
    read_only = tables[0].start if tables else len(image)
    yield Part(".rodata", 0, read_only)
    end = tables[-1].end if tables else 0
    if base and tables:
        found = list(_parameters(image, base, end))
        yield from found
        end = found[-1].end if found else end
    yield from _type_information(image)
    if end:
        yield Part(".data", end, len(image))


# --- where it is linked to stand, and the pointers in it


def _relocated(image: bytes, kind: Kind) -> tuple[int, bytes]:
    """Return the address of the first byte (0 when nothing tells it), and the image with its pointers filled in.

    A kernel with CONFIG_RELR has most of them in place; the few others tell the address.
    """
    start, count = _relative_relocations(image, struct.pack("<Q", kind.relative))
    if not count:
        return kind.link, image
    entries = list(_RELA.iter_unpack(image[start : start + count * _RELA.size]))
    base = entries[0][0] & -_BASE_ALIGNMENT
    filled = bytearray(image)
    for place, _, value in entries:
        if 0 <= place - base <= len(image) - POINTER.size:
            POINTER.pack_into(filled, place - base, value)
    return base, bytes(filled)


def _relative_relocations(image: bytes, relative: bytes) -> tuple[int, int]:
    """Return where the longest run of relocations is, and how many they are."""
    longest, at = (0, 0), image.find(relative)
    while at >= 0:
        start = at - 8
        end = at + 16
        while image[end + 8 : end + 16] == relative:
            end += _RELA.size
        if image[start + 7] & 0x80:  # an address of the kernel's is what is relocated
            longest = max(longest, ((end - start) // _RELA.size, start))
        at = image.find(relative, end)
    return longest[1], longest[0] if longest[0] > 1 else 0


# --- parameters and versions of built-in modules


def _parameters(image: bytes, base: int, after: int) -> Iterator[Part]:
    """Yield __param and __modver, which follow the strings of the exports (RO_DATA of asm-generic/vmlinux.lds.h)."""

    def text_at(address: int) -> bytes:
        start = address - base
        return image[start : image.find(b"\0", start)] if 0 < start < len(image) else b""

    def is_parameter(at: int) -> bool:
        name, module, operations, mode, _, _, padding, _ = _PARAMETER.unpack_from(image, at)
        inside = 0 < operations - base < len(image) and module == 0 and mode <= 0o777 and not any(padding)
        return inside and re.fullmatch(rb"[\w.-]+", text_at(name)) is not None

    def is_version(at: int) -> bool:
        _, mode, _, name, _ = _VERSION_ATTRIBUTE.unpack_from(image, at)
        return mode == _READABLE and SYMBOL.match(text_at(name)) is not None

    last = len(image) - _FEWEST_PARAMETERS * _PARAMETER.size
    first = after + -after % POINTER.size
    for start in range(first, min(first + (1 << 16), last), POINTER.size):
        if all(is_parameter(start + number * _PARAMETER.size) for number in range(_FEWEST_PARAMETERS)):
            end = _run(image, start, _PARAMETER.size, is_parameter)
            yield Part("__param", start, end)
            yield Part("__modver", end, _run(image, end, _VERSION_ATTRIBUTE.size, is_version))
            return


def _run(image: bytes, at: int, size: int, fits: Callable[[int], bool]) -> int:
    while at + size <= len(image) and fits(at):
        at += size
    return at


def _type_information(image: bytes) -> Iterator[Part]:
    """Yield .BTF: the biggest piece that begins like it and has its strings where its header says."""
    found = []
    for match in _BTF_HEADER.finditer(image):
        header = match.start()
        if header + 24 <= len(image):
            _, types, strings_at, strings = struct.unpack_from("<IIII", image, header + 8)
            end = header + 24 + strings_at + strings
            if types <= strings_at and strings and end <= len(image) and image[end - 1] == 0:
                found.append((end - header, header))
    if found:
        size, start = max(found)
        yield Part(".BTF", start, start + size)


def _elf_file(image: bytes, machine: int, base: int, parts: list[Part]) -> bytes:
    """Return an executable whose sections are these parts of the image."""
    names, headers = b"\0", b"\0" * 64
    for part in parts:
        place = (base + part.start + part.higher, _FILE_STARTS + part.start, part.end - part.start)
        headers += struct.pack("<IIQQQQIIQQ", len(names), SHT_PROGBITS, SHF_ALLOC, *place, 0, 0, 1, 0)
        names += part.name.encode() + b"\0"
    strings_at = _FILE_STARTS + len(image)
    headers += struct.pack("<IIQQQQIIQQ", len(names), SHT_STRTAB, 0, 0, strings_at, len(names) + 10, 0, 0, 1, 0)
    names += b".shstrtab\0"
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    counts = (0, 64, 0, 0, 64, len(parts) + 2, len(parts) + 1)
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, machine, 1, 0, 0, strings_at + len(names), *counts)
    return header + image + names + headers
