"""Exports looked up in the kernel's own sorted tables, as the kernel looks them up: nothing is unpacked beforehand.

A module uses a hundred of ten thousand symbols; to make objects of all of them would take longer than the rest of a
check. What the tables look like is told in ksymtab.py.
"""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import KernelExport
from pyinsmod.lean import Any, Iterator, Mapping, NamedTuple

ENTRY_SIZE, CRC_SIZE, DISTANCE_SIZE = 12, 4, 4
NAME_AT, NAMESPACE_AT = 4, 8
# Bit of a __kflagstab byte (enum ksym_flags, since 7.0): for GPL-compatible modules only.
FLAG_GPL = 1
# KSYM_NAME_LEN: what is read past the address of the last name.
LONGEST_NAME = 512
# All names of a kernel take 0.3 MB; more than this means that something else is read as a table.
LARGEST_STRING_AREA = 16 << 20
# So much of a name is looked at first: nearly all are shorter.
USUAL_NAME = 64


class SortedTable(NamedTuple):
    """A table as it stands at `address`: entries in strcmp order, with what runs parallel to it.

    `crcs` is empty for a kernel without symbol versions; `flags`, a byte for each entry, is empty before 7.0, and
    then `gpl` tells what the whole table is.
    """

    address: int
    entries: bytes | memoryview
    crcs: bytes | memoryview
    flags: bytes | memoryview
    gpl: bool

    @property
    def length(self) -> int:
        """Return the number of entries."""
        return len(self.entries) // ENTRY_SIZE


class LookedUpExports(Mapping[str, KernelExport]):
    """Symbol → export: vmlinux's tables first, then what modules export.

    Args:
        tables: in the kernel's order of search.
        strings_at: address of the memory that holds names and namespaces.
        strings: what stands there.
        of_modules: symbol → the fields of its KernelExport.
    """

    def __init__(
        self,
        tables: tuple[SortedTable, ...],
        strings_at: int,
        strings: bytes | memoryview,
        of_modules: Mapping[str, tuple[Any, ...]] | None = None,
    ) -> None:
        self.tables = tables
        self._strings_at = strings_at
        self._strings = strings
        self._of_modules = of_modules or {}

    @classmethod
    def from_plain(cls, plain: tuple[Any, ...]) -> LookedUpExports:
        """Make it again from what `to_plain` returned."""
        tables, strings_at, strings, of_modules = plain
        return cls(tuple(SortedTable(*table) for table in tables), strings_at, strings, of_modules)

    def to_plain(self) -> tuple[Any, ...]:
        """Return it as built-in types only, which marshal can write."""
        return tuple(map(tuple, self.tables)), self._strings_at, self._strings, self._of_modules

    def with_modules(self, exports: Mapping[str, KernelExport]) -> LookedUpExports:
        """Return the same with what loaded modules export."""
        of_modules = {name: tuple(export) for name, export in exports.items()}
        return LookedUpExports(self.tables, self._strings_at, self._strings, of_modules)

    def __getitem__(self, symbol: str) -> KernelExport:
        wanted = symbol.encode(errors="surrogateescape")
        for table in self.tables:
            index = self._search(table, wanted)
            if index is not None:
                return self._export(table, index)
        return KernelExport(*self._of_modules[symbol])

    def __contains__(self, symbol: object) -> bool:
        try:
            return isinstance(symbol, str) and self[symbol] is not None
        except KeyError:
            return False

    def __len__(self) -> int:
        return sum(table.length for table in self.tables) + len(self._of_modules)

    def __iter__(self) -> Iterator[str]:
        for table in self.tables:
            yield from (text(self.name(table, index)) for index in range(table.length))
        yield from self._of_modules

    def name(self, table: SortedTable, index: int) -> bytes:
        """Return the name in an entry, without its NUL; nothing when it points outside the strings."""
        return self._string(table, index, NAME_AT)

    def _search(self, table: SortedTable, wanted: bytes) -> int | None:
        low, high = 0, table.length
        while low < high:
            middle = (low + high) // 2
            name = self.name(table, middle)
            if name == wanted:
                return middle
            if name < wanted:
                low = middle + 1
            else:
                high = middle
        return None

    def _string(self, table: SortedTable, index: int, field: int) -> bytes:
        at = index * ENTRY_SIZE + field
        distance = int.from_bytes(table.entries[at : at + DISTANCE_SIZE], "little", signed=True)
        start = table.address + at + distance - self._strings_at
        if not distance or start < 0:
            return b""
        size, end = USUAL_NAME, -1
        while end < 0:
            piece = bytes(self._strings[start : start + size])
            end = piece.find(b"\0")
            if len(piece) < size:
                break
            size *= 8
        return piece[:end]

    def _export(self, table: SortedTable, index: int) -> KernelExport:
        crc = table.crcs[index * CRC_SIZE : (index + 1) * CRC_SIZE]
        return KernelExport(
            "vmlinux",
            int.from_bytes(crc, "little") if crc else None,
            bool(table.flags[index] & FLAG_GPL) if table.flags else table.gpl,
            text(self._string(table, index, NAMESPACE_AT)),
        )
