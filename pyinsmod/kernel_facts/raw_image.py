"""A raw kernel image → the vmlinux it was made of, as far as its parts are found. arm64 boots such images.

`objcopy -O binary` leaves the bytes as they will stand in memory and nothing that says what is where
(Documentation/arch/arm64/booting.rst). The parts are known by what they are made of: export tables by names in strcmp
order that are pointed to from close by, parameters by records whose pointers lead to names. They are handed on as
sections of an ELF file, the form in which other architectures carry the same parts. What is not found is left out.
"""

from __future__ import annotations

import re
import struct
from array import array

from pyinsmod.elf_format import EM_AARCH64, SHF_ALLOC, SHT_PROGBITS, SHT_STRTAB
from pyinsmod.kernel_facts.export_lookup import CRC_SIZE, ENTRY_SIZE, NAME_AT, NAMESPACE_AT
from pyinsmod.lean import Callable, Iterator, NamedTuple

_MAGIC_AT, _MAGIC = 56, b"ARM\x64"
_FILE_STARTS = 64  # behind the ELF header
# KIMAGE_VADDR lies behind the modules' area, which is 128 MiB (since 6.5: 2 GiB) and begins at such a multiple.
_BASE_ALIGNMENT = 128 << 20

# Exported by every kernel; the second is its name until 5.14.
_ANCHORS = (b"_printk\0", b"printk\0")
# The tables end at most so far before the strings they point to.
_REACH = 4 << 20
_FEWEST_EXPORTS, _FEWEST_PARAMETERS = 64, 8
# What may stand between the end of a table and the first string that is pointed to.
_SLACK = 256
_SYMBOL = re.compile(rb"[A-Za-z_][\w.$]*\Z")

# Elf64_Rela of type R_AARCH64_RELATIVE, without a symbol (`.rela.dyn`); the pointers themselves are 0 in the image.
_RELATIVE = struct.pack("<Q", 0x403)
_RELA = struct.Struct("<QQQ")
_POINTER = struct.Struct("<Q")
_PARAMETER = struct.Struct("<QQQHbB4sQ")
_VERSION_ATTRIBUTE = struct.Struct("<QH46sQQ")
_READABLE = 0o444

_BTF_HEADER = re.compile(rb"\x9f\xeb\x01\x00\x18\0\0\0")


class Part(NamedTuple):
    """A piece of the image: name of its section, first byte and the one after the last."""

    name: str
    start: int
    end: int


def is_raw_image(content: bytes) -> bool:
    """Tell whether this is an arm64 `Image`."""
    return content[_MAGIC_AT : _MAGIC_AT + len(_MAGIC)] == _MAGIC


def as_elf(image: bytes) -> bytes:
    """Return an ELF file with the parts of a raw arm64 image as its sections, at the addresses it is linked for."""
    base, image = _relocated(image)
    return _elf_file(image, base, sorted(_parts(image, base), key=lambda part: part.start))


def _parts(image: bytes, base: int) -> Iterator[Part]:
    tables = list(_export_tables(image))
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


def _relocated(image: bytes) -> tuple[int, bytes]:
    """Return the address of the first byte (0 when nothing tells it), and the image with its pointers filled in.

    A kernel with CONFIG_RELR has most of them in place; the few others tell the address.
    """
    start, count = _relative_relocations(image)
    if not count:
        return 0, image
    entries = list(_RELA.iter_unpack(image[start : start + count * _RELA.size]))
    base = entries[0][0] & -_BASE_ALIGNMENT
    filled = bytearray(image)
    for place, _, value in entries:
        if 0 <= place - base <= len(image) - _POINTER.size:
            _POINTER.pack_into(filled, place - base, value)
    return base, bytes(filled)


def _relative_relocations(image: bytes) -> tuple[int, int]:
    """Return where the longest run of relocations is, and how many they are."""
    longest, at = (0, 0), image.find(_RELATIVE)
    while at >= 0:
        start = at - 8
        end = at + 16
        while image[end + 8 : end + 16] == _RELATIVE:
            end += _RELA.size
        longest = max(longest, ((end - start) // _RELA.size, start))
        at = image.find(_RELATIVE, end)
    return longest[1], longest[0] if longest[0] > 1 else 0


# --- what vmlinux exports


class _Names(NamedTuple):
    """The names that export entries point to."""

    image: bytes

    def target(self, entry: int, field: int) -> int:
        """Return where one field of an entry points to; 0 for nowhere."""
        (distance,) = struct.unpack_from("<i", self.image, entry + field)
        return entry + field + distance if distance else 0

    def name(self, entry: int) -> bytes:
        """Return the name of an entry; nothing when this is none."""
        if not 0 <= entry <= len(self.image) - ENTRY_SIZE:
            return b""
        start = self.target(entry, NAME_AT)
        if not entry < start < entry + _REACH:
            return b""
        name = self.image[start : self.image.find(b"\0", start)]
        return name if _SYMBOL.match(name) else b""


def _export_tables(image: bytes) -> Iterator[Part]:
    """Yield __ksymtab, __ksymtab_gpl (until 6.19), __kflagstab (since 7.0), __kcrctab* and their strings."""
    names = _Names(image)
    tables = next((found for anchor in _anchors(image) if (found := _sorted_runs(names, anchor))), [])
    if not tables:
        return
    suffixes = ("", "_gpl")
    for (start, end), suffix in zip(tables, suffixes, strict=False):
        yield Part(f"__ksymtab{suffix}", start, end)
    counts = [(end - start) // ENTRY_SIZE for start, end in tables]
    entries = range(tables[0][0], tables[-1][1], ENTRY_SIZE)
    targets = [where for entry in entries for field in (NAME_AT, NAMESPACE_AT) if (where := names.target(entry, field))]
    at = tables[-1][1]
    for name, size in _beside(sum(counts), min(targets) - at):
        if name == "__kflagstab":
            yield Part(name, at, at + size)
            at += size
            continue
        at += -at % CRC_SIZE
        for count, suffix in zip(counts, suffixes, strict=False):
            yield Part(f"{name}{suffix}", at, at + count * CRC_SIZE)
            at += count * CRC_SIZE
    yield Part("__ksymtab_strings", at, image.index(b"\0", max(targets)) + 1)


def _beside(count: int, room: int) -> list[tuple[str, int]]:
    """Return what runs parallel to the entries, by the room between them and their strings."""
    possible = (("__kflagstab", count), ("__kcrctab", count * CRC_SIZE))
    rooms = {room - sum(size for _, size in chosen): chosen for chosen in ((), possible[:1], possible[1:], possible)}
    left = min((left for left in rooms if 0 <= left < _SLACK), default=None)
    return [] if left is None else list(rooms[left])


def _anchors(image: bytes) -> Iterator[int]:
    """Yield what may be the entry of a symbol that every kernel exports."""
    for word in _ANCHORS:
        at = image.find(word)
        while at >= 0:
            start = max(at - _REACH, 0) & -4
            distances = array("i", image[start : start + (at - start) // 4 * 4])
            # The distance that leads from its own place to the name.
            places = range(at - start, at - start - 4 * len(distances), -4)
            yield from (
                start + 4 * index - NAME_AT
                for index, (one, other) in enumerate(zip(distances, places, strict=True))
                if one == other
            )
            at = image.find(word, at + 1)


def _sorted_runs(names: _Names, anchor: int) -> list[tuple[int, int]]:
    """Return start and end of the table around an entry, and of the one that follows it, if there is one."""
    if not names.name(anchor):
        return []
    start = anchor
    while b"" < names.name(start - ENTRY_SIZE) < names.name(start):
        start -= ENTRY_SIZE
    tables: list[tuple[int, int]] = []
    while len(tables) < 2 and names.name(start):
        end = start + ENTRY_SIZE
        while names.name(end) > names.name(end - ENTRY_SIZE):
            end += ENTRY_SIZE
        tables.append((start, end))
        start = end
    entries = sum(end - start for start, end in tables) // ENTRY_SIZE
    return tables if entries >= _FEWEST_EXPORTS else []


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
        return mode == _READABLE and _SYMBOL.match(text_at(name)) is not None

    last = len(image) - _FEWEST_PARAMETERS * _PARAMETER.size
    first = after + -after % _POINTER.size
    for start in range(first, min(first + (1 << 16), last), _POINTER.size):
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


def _elf_file(image: bytes, base: int, parts: list[Part]) -> bytes:
    """Return an executable whose sections are these parts of the image."""
    names, headers = b"\0", b"\0" * 64
    for part in parts:
        place = (base + part.start, _FILE_STARTS + part.start, part.end - part.start)
        headers += struct.pack("<IIQQQQIIQQ", len(names), SHT_PROGBITS, SHF_ALLOC, *place, 0, 0, 1, 0)
        names += part.name.encode() + b"\0"
    strings_at = _FILE_STARTS + len(image)
    headers += struct.pack("<IIQQQQIIQQ", len(names), SHT_STRTAB, 0, 0, strings_at, len(names) + 10, 0, 0, 1, 0)
    names += b".shstrtab\0"
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    counts = (0, 64, 0, 0, 64, len(parts) + 2, len(parts) + 1)
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 2, EM_AARCH64, 1, 0, 0, strings_at + len(names), *counts)
    return header + image + names + headers
