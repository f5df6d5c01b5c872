from __future__ import annotations

import struct

import pytest

from pyinsmod.kernel_facts import KernelExport
from pyinsmod.kernel_facts.ksymtab import ExportTable, exports_in_tables
from tests.unit.pyinsmod.kernel_facts.built_kernels import BASE, Symbol, built_tables

SYMBOLS = (Symbol("kfree", 0x11), Symbol("kmalloc", 0x22, "SLAB"), Symbol("old", 0x33, None))


@pytest.mark.parametrize("size", [1, 11, 13])
def test_a_table_that_does_not_end_with_an_entry_is_another_layout(size: int) -> None:
    with pytest.raises(ValueError, match="no multiple of 12"):
        exports_in_tables([ExportTable(BASE, bytes(size), gpl=False)], lambda _at, _size: b"")


def test_fewer_flags_than_symbols_are_another_layout() -> None:
    tables = built_tables(SYMBOLS)
    with pytest.raises(ValueError, match="2 flags for 3"):
        exports_in_tables([ExportTable(tables.address, tables.entries, b"\1\0")], tables.read)


def test_names_all_over_memory_are_no_names() -> None:
    entries = struct.pack("<iii", 0, -0x70000000, 0) + struct.pack("<iii", 0, 0x70000000, 0)
    with pytest.raises(ValueError, match="spread over"):
        exports_in_tables([ExportTable(BASE, entries, gpl=False)], lambda _at, size: bytes(size))


@pytest.mark.parametrize("strings", [b"", b"kfree"])
def test_a_name_that_cannot_be_read_is_an_error(strings: bytes) -> None:
    tables = built_tables(SYMBOLS[:1])
    with pytest.raises(ValueError, match="cannot be read"):
        exports_in_tables([ExportTable(tables.address, tables.entries, gpl=False)], lambda _at, _size: strings)


def test_each_symbol_has_crc_and_namespace_and_the_tables_gpl() -> None:
    tables = built_tables(SYMBOLS)
    found = exports_in_tables([ExportTable(tables.address, tables.entries, True, tables.crcs)], tables.read)
    assert found == {
        "kfree": KernelExport("vmlinux", 0x11, gpl=True, namespace=""),
        "kmalloc": KernelExport("vmlinux", 0x22, gpl=True, namespace="SLAB"),
        "old": KernelExport("vmlinux", 0x33, gpl=True, namespace=""),
    }


def test_flags_say_for_each_symbol_whether_it_is_gpl_only() -> None:
    tables = built_tables(SYMBOLS)
    found = exports_in_tables([ExportTable(tables.address, tables.entries, b"\1\0\3")], tables.read)
    assert [export.gpl for export in found.values()] == [True, False, True]


@pytest.mark.parametrize("crcs", [b"", bytes(8), bytes(16)])
def test_crcs_that_are_not_one_for_each_symbol_are_none(crcs: bytes) -> None:
    tables = built_tables(SYMBOLS)
    found = exports_in_tables([ExportTable(tables.address, tables.entries, False, crcs)], tables.read)
    assert {export.crc for export in found.values()} == {None}


def test_the_first_table_with_a_name_counts() -> None:
    tables = built_tables(SYMBOLS[:1])
    both = [
        ExportTable(tables.address, tables.entries, gpl=False),
        ExportTable(tables.address, tables.entries, gpl=True),
    ]
    assert exports_in_tables(both, tables.read, "mii")["kfree"] == KernelExport("mii", None, gpl=False, namespace="")


def test_no_symbols_are_no_error() -> None:
    assert exports_in_tables([ExportTable(BASE, b"", gpl=False)], lambda _at, _size: b"") == {}
