"""The kernel's export tables, from their bytes: the same in its memory and in a vmlinux file.

`struct kernel_symbol` (include/linux/export-internal.h, kernel/module/internal.h) as architectures with
CONFIG_HAVE_ARCH_PREL32_RELOCATIONS lay it out, which x86-64 and arm64 do: three signed 32-bit distances, to
the value, the name and the namespace, each counted from its own address. So the tables mean the same wherever
the kernel was moved to.
"""

from __future__ import annotations

import struct

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.export_lookup import (
    CRC_SIZE,
    ENTRY_SIZE,
    FLAG_GPL,
    LARGEST_STRING_AREA,
    LONGEST_NAME,
    NAME_AT,
    NAMESPACE_AT,
)
from pyinsmod.kernel_facts.facts import KernelExport
from pyinsmod.lean import Callable, NamedTuple, Sequence, TypeAlias

ReadMemory: TypeAlias = Callable[[int, int], bytes]
"""(address, size) → the bytes there; fewer where the memory ends."""


class ExportTable(NamedTuple):
    """One table: `entries` as they stand at `address`.

    `gpl` holds for all entries, or is the table of flags (__kflagstab) with a byte for each. `crcs` is the parallel
    __kcrctab; the kernel has no symbol versions unless it is 4 bytes for each entry.
    """

    address: int
    entries: bytes
    gpl: bool | bytes
    crcs: bytes = b""


def exports_in_tables(
    tables: Sequence[ExportTable], read: ReadMemory, owner: str = "vmlinux"
) -> dict[str, KernelExport]:
    """Return symbol → export. The first table with a name counts, as for `find_symbol` of the kernel.

    Args:
        tables: in the order the kernel searches: __ksymtab, then __ksymtab_gpl where there is one.
        read: gives the memory that names and namespaces stand in; called once, for all of it.
        owner: who exports, `vmlinux` or a module.

    Raises:
        ValueError: these are no export tables of the known layout; the text says why.
    """
    for table in tables:
        _insist_on_layout(table)
    names = [_targets(table, NAME_AT) for table in tables]
    namespaces = [_targets(table, NAMESPACE_AT) for table in tables]
    strings = _StringArea(*strings_of(tables, read))
    found: dict[str, KernelExport] = {}
    make = tuple.__new__  # ten thousand times: a NamedTuple's own way takes as long as all the rest
    for table, own_names, own_namespaces in reversed(list(zip(tables, names, namespaces, strict=True))):
        count = len(own_names)
        spaces = {address: strings.at(address) if address else "" for address in set(own_namespaces)}
        rows = zip(own_names, _crcs(table, count), _gpl_flags(table, count), own_namespaces, strict=True)
        found.update(
            {strings.at(name): make(KernelExport, (owner, crc, gpl, spaces[space])) for name, crc, gpl, space in rows}
        )
    return found


def strings_of(tables: Sequence[ExportTable], read: ReadMemory) -> tuple[int, bytes]:
    """Return the memory that all names and namespaces stand in: its address and what it holds; raises as above."""
    named = {each for table in tables for field in (NAME_AT, NAMESPACE_AT) for each in _targets(table, field) if each}
    if not named:
        return 0, b""
    start, end = min(named), max(named) + LONGEST_NAME
    if end - start > LARGEST_STRING_AREA:
        raise ValueError(f"names of exported symbols spread over {end - start} bytes")
    return start, read(start, end - start)


def _insist_on_layout(table: ExportTable) -> None:
    count, rest = divmod(len(table.entries), ENTRY_SIZE)
    if rest:
        raise ValueError(f"an export table of {len(table.entries)} bytes, no multiple of {ENTRY_SIZE}")
    if isinstance(table.gpl, bytes) and len(table.gpl) < count:
        raise ValueError(f"{len(table.gpl)} flags for {count} exported symbols")


def _targets(table: ExportTable, field: int) -> list[int]:
    """Return the addresses one field of each entry points to; 0 for a distance of 0, which stands for NULL."""
    count = len(table.entries) // ENTRY_SIZE
    distances = struct.unpack(f"<{3 * count}i", table.entries)[field // 4 :: 3]
    first = table.address + field
    targets = list(map(int.__add__, distances, range(first, first + count * ENTRY_SIZE, ENTRY_SIZE)))
    if 0 in distances:
        targets = [target if distance else 0 for target, distance in zip(targets, distances, strict=True)]
    return targets


def _crcs(table: ExportTable, count: int) -> Sequence[int | None]:
    if len(table.crcs) != count * CRC_SIZE:
        return [None] * count
    return struct.unpack(f"<{count}I", table.crcs)


def _gpl_flags(table: ExportTable, count: int) -> Sequence[bool]:
    if isinstance(table.gpl, bool):
        return [table.gpl] * count
    return [bool(flags & FLAG_GPL) for flags in table.gpl[:count]]


class _StringArea(NamedTuple):
    """The memory that holds all strings, read at once: one read for ten thousand names."""

    start: int
    content: bytes

    def at(self, address: int) -> str:
        offset = address - self.start
        end = self.content.find(b"\0", offset) if offset >= 0 else -1
        if end < 0:
            raise ValueError(f"the name of an exported symbol at {address:#x} cannot be read")
        return text(self.content[offset:end])
