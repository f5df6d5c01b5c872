"""The export tables of a raw kernel image, by their names: in strcmp order, and pointed to from close by.

Beside raw_image.py, which has the other parts.
"""

from __future__ import annotations

import re
import struct
from array import array

from pyinsmod.elf_format import EM_AARCH64, EM_RISCV, EXPORT_ADDRESSES, EXPORT_DISTANCE
from pyinsmod.kernel_facts.export_lookup import CRC_SIZE
from pyinsmod.lean import Iterator, NamedTuple

# Exported by every kernel; the second is its name until 5.14.
_ANCHORS = (b"_printk\0", b"printk\0")
# The tables end at most so far before the strings they point to.
_REACH = 4 << 20
_FEWEST_EXPORTS = 64
# What may stand between the end of a table and the first string that is pointed to.
_SLACK = 256
# What is put behind an image stands so much higher: memory follows there that begins as zeros, which no file holds.
_BEHIND = 1 << 28
SYMBOL = re.compile(rb"[A-Za-z_][\w.$]*\Z")
POINTER = struct.Struct("<Q")


class Kind(NamedTuple):
    """What such an image is like on an architecture.

    Attributes:
        magic: the bytes it is known by.
        machine: `e_machine`.
        relative: number of the relocation in `.rela.dyn` that has no symbol; the pointers it fills in are 0 in the
            image.
        link: the address that a kernel which cannot be moved is linked for; 0 where that shows only so.
    """

    magic: bytes
    machine: int
    relative: int
    link: int = 0

    @property
    def word(self) -> int:
        """Bytes of a member of struct kernel_symbol: value, name, namespace."""
        return EXPORT_ADDRESSES.get(self.machine, EXPORT_DISTANCE)

    @property
    def entry(self) -> int:
        """Bytes of struct kernel_symbol."""
        return 3 * self.word


KINDS = (
    Kind(b"ARM\x64", EM_AARCH64, relative=0x403),
    Kind(b"RSC\x05", EM_RISCV, relative=3, link=0xFFFFFFFF80000000),
)


class Part(NamedTuple):
    """A piece of the image: name of its section, first byte and the one after the last, how much higher it stands."""

    name: str
    start: int
    end: int
    higher: int = 0


class Names(NamedTuple):
    """The names that export entries point to."""

    image: bytes
    base: int
    kind: Kind

    def target(self, entry: int, field: int) -> int:
        """Return where one field of an entry points to; 0 for nowhere."""
        if self.kind.word != EXPORT_DISTANCE:
            (pointer,) = POINTER.unpack_from(self.image, entry + field)
            return pointer - self.base if self.base <= pointer < self.base + len(self.image) else 0
        (distance,) = struct.unpack_from("<i", self.image, entry + field)
        return entry + field + distance if distance else 0

    def name(self, entry: int) -> bytes:
        """Return the name of an entry; nothing when this is none."""
        if not 0 <= entry <= len(self.image) - self.kind.entry:
            return b""
        start = self.target(entry, self.kind.word)
        if not entry < start < entry + _REACH:
            return b""
        name = self.image[start : self.image.find(b"\0", start)]
        return name if SYMBOL.match(name) else b""


def export_tables(names: Names) -> Iterator[Part]:
    """Yield __ksymtab, __ksymtab_gpl (until 6.19), __kflagstab (since 7.0), __kcrctab* and their strings."""
    image, kind = names.image, names.kind
    tables = next((found for anchor in _anchors(names) if (found := _sorted_runs(names, anchor))), [])
    if not tables:
        return
    suffixes = ("", "_gpl")
    for (start, end), suffix in zip(tables, suffixes, strict=False):
        yield Part(f"__ksymtab{suffix}", start, end)
    counts = [(end - start) // kind.entry for start, end in tables]
    entries = range(tables[0][0], tables[-1][1], kind.entry)
    fields = kind.word, 2 * kind.word
    targets = [where for entry in entries for field in fields if (where := names.target(entry, field))]
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


def _anchors(names: Names) -> Iterator[int]:
    """Yield what may be the entry of a symbol that every kernel exports."""
    leads_to = _distances_to if names.kind.word == EXPORT_DISTANCE else _pointers_to
    for word in _ANCHORS:
        for at in _places(names.image, word):
            yield from (place - names.kind.word for place in leads_to(names, at))


def _places(image: bytes, word: bytes) -> Iterator[int]:
    at = image.find(word)
    while at >= 0:
        yield at
        at = image.find(word, at + 1)


def _pointers_to(names: Names, at: int) -> Iterator[int]:
    return _places(names.image, POINTER.pack(names.base + at))


def _distances_to(names: Names, at: int) -> Iterator[int]:
    start = max(at - _REACH, 0) & -4
    distances = array("i", names.image[start : start + (at - start) // 4 * 4])
    # The distance that leads from its own place to the name.
    places = range(at - start, at - start - 4 * len(distances), -4)
    return (start + 4 * index for index, (one, other) in enumerate(zip(distances, places, strict=True)) if one == other)


def _sorted_runs(names: Names, anchor: int) -> list[tuple[int, int]]:
    """Return start and end of the table around an entry, and of the one that follows it, if there is one."""
    if not names.name(anchor):
        return []
    start, size = anchor, names.kind.entry
    # One name may stand there twice: memset did on arm64, from assembly and from C.
    while b"" < names.name(start - size) <= names.name(start):
        start -= size
    tables: list[tuple[int, int]] = []
    while len(tables) < 2 and names.name(start):
        end = start + size
        while names.name(end) >= names.name(end - size):
            end += size
        tables.append((start, end))
        start = end
    entries = sum(end - start for start, end in tables) // size
    return tables if entries >= _FEWEST_EXPORTS else []


def with_distances(names: Names, parts: list[Part]) -> tuple[bytes, list[Part]]:
    """Return the image with tables of distances behind it, which stand for its tables of pointers, and the parts."""
    image, changed = names.image, []
    for part in parts:
        if part.name not in ("__ksymtab", "__ksymtab_gpl"):
            changed.append(part)
            continue
        start = len(image) + -len(image) % POINTER.size
        made = bytearray(image.ljust(start, b"\0"))
        for entry in range(part.start, part.end, names.kind.entry):
            for field in (0, names.kind.word, 2 * names.kind.word):
                target = names.target(entry, field)
                made += ((target - len(made) - _BEHIND) & 0xFFFFFFFF if target else 0).to_bytes(4, "little")
        changed.append(Part(part.name, start, len(made), _BEHIND))
        image = bytes(made)
    return image, changed
