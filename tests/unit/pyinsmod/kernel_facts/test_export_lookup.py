"""Exports looked up in tables laid out as the kernel lays them out (struct kernel_symbol, three distances each)."""

from __future__ import annotations

import struct

import pytest

from pyinsmod.kernel_facts import KernelExport
from pyinsmod.kernel_facts.export_lookup import LookedUpExports, SortedTable
from pyinsmod.kernel_facts.ksymtab import ExportTable, exports_in_tables

TABLE, STRINGS = 0xFFFFFFFF82100000, 0xFFFFFFFF82200000
NAMES = sorted(["_printk", "kmalloc", "module_layout", "a", "zlib_inflate", "crypto_alg", "b" * 300])
STRING_AREA = b"\0".join([b"", *(name.encode() for name in NAMES), b"CRYPTO_INTERNAL", b"tail"]) + b"\0" * 8


def entries(names: list[str], address: int, namespace: str = "") -> bytes:
    def at(name: str) -> int:
        return STRINGS + STRING_AREA.index(b"\0" + name.encode() + b"\0") + 1

    raw = b""
    for index, name in enumerate(names):
        own = address + 12 * index
        space = at(namespace) - (own + 8) if namespace and name.startswith("crypto") else 0
        raw += struct.pack("<3i", 16, at(name) - (own + 4), space)
    return raw


def looked_up(**changes: object) -> LookedUpExports:
    crcs = struct.pack(f"<{len(NAMES)}I", *range(100, 100 + len(NAMES)))
    table = SortedTable(TABLE, entries(NAMES, TABLE, "CRYPTO_INTERNAL"), crcs, b"", gpl=False)
    return LookedUpExports((table._replace(**changes),), STRINGS, STRING_AREA)  # type: ignore[arg-type]


def test_every_name_is_found_and_no_other() -> None:
    exports = looked_up()
    assert list(exports) == NAMES
    assert len(exports) == len(NAMES)
    assert all(name in exports for name in NAMES)
    for name in ("", "kmallo", "kmallocs", "0", "zz", "\udcff", "CRYPTO_INTERNAL"):
        assert name not in exports
        assert exports.get(name) is None


def test_the_whole_table_read_at_once_says_the_same() -> None:
    """ksymtab.py unpacks the table as a whole; two readers of one format."""
    table = looked_up().tables[0]
    whole = exports_in_tables(
        [ExportTable(table.address, bytes(table.entries), False, bytes(table.crcs))],
        lambda address, size: STRING_AREA[address - STRINGS :][:size],
    )
    assert dict(looked_up()) == whole
    assert whole["crypto_alg"].namespace == "CRYPTO_INTERNAL"


def test_flags_say_who_is_for_gpl_modules_only() -> None:
    flags = bytes(name == "kmalloc" for name in NAMES)
    exports = looked_up(flags=flags)
    assert [name for name in exports if exports[name].gpl] == ["kmalloc"]


def test_without_symbol_versions_there_is_no_crc() -> None:
    assert looked_up(crcs=b"")["kmalloc"].crc is None


def test_what_modules_export_comes_after_the_kernels_own() -> None:
    exports = looked_up().with_modules({"mii_link_ok": KernelExport("mii", 7, True, "")})
    assert exports["mii_link_ok"] == KernelExport("mii", 7, True, "")
    assert len(exports) == len(NAMES) + 1
    assert exports["kmalloc"].owner == "vmlinux"


def test_it_survives_as_plain_values() -> None:
    exports = looked_up().with_modules({"mii_link_ok": KernelExport("mii", 7, True, "")})
    assert dict(LookedUpExports.from_plain(exports.to_plain())) == dict(exports)


@pytest.mark.parametrize("name_distance", [-0x80000000, 0x7FFFFFFF, 0])
def test_distances_that_lead_nowhere_find_nothing(name_distance: int) -> None:
    raw = struct.pack("<3i", 0, name_distance, 0) * 3
    assert "kmalloc" not in looked_up(entries=raw, crcs=b"")
