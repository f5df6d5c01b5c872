"""Tables the kernel follows before init. Expected values: what real 5.10, 6.1, 6.12 and 7.2 kernels did."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks import CHECKS
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

TEXT, TABLE, RELA = 4, 5, 6
R64, PC32, PC64 = 1, 2, 24
PRINTK, TEXT_SYMBOL = 1, 2
NOP5 = bytes.fromhex("0f1f440000")


def found(data: bytes, make_facts: MakeFacts, *features: str) -> list[Finding]:
    """Return what the check finds on a kernel with those features and no others."""
    facts = make_facts(features=Fact({**dict.fromkeys(FEATURES, False), **dict.fromkeys(features, True)}, "test"))
    checks = ("special-sections", "sysfs-name")
    return [finding for name in checks for finding in CHECKS[name](ModuleImage(data), facts, LoadRequest())]


def module(
    build_module: BuildModule, name: str, table: bytes, *entries: tuple[int, int, int, int], text: bytes = bytes(64)
) -> bytes:
    """Return a module with .text, and a table whose relocations are (offset, type, symbol, addend)."""
    rela = b"".join(struct.pack("<QQq", at, symbol << 32 | kind, addend) for at, kind, symbol, addend in entries)
    data = bytearray(
        build_module(
            undefined=["_printk", "in_text"],
            extra=[(".text", 1, 6, text), (name, 1, 3, table), (f".rela{name}", 4, 0, rela)],
        )
    )
    struct.pack_into("<I", data, struct.unpack_from("<Q", data, 40)[0] + 64 * RELA + 44, TABLE)
    # The second symbol becomes one of .text.
    at = data.index(struct.pack("<IBBHQQ", len("_printk") + 2, 1 << 4, 0, 0, 0, 0))
    struct.pack_into("<H", data, at + 6, TEXT)
    return bytes(data)


def test_half_a_relocation_is_none(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = bytearray(module(build_module, ".return_sites", bytes(4), (0, PC32, TEXT_SYMBOL, 1 << 30)))
    size = struct.unpack_from("<Q", data, 40)[0] + 64 * RELA + 32
    whole = struct.unpack_from("<Q", data, size)[0]
    for odd in (whole + 1, whole - 1, 1):
        struct.pack_into("<Q", data, size, odd)
        assert bool(found(bytes(data), make_facts)) == (odd > whole)


@pytest.mark.parametrize("name", [".return_sites", ".retpoline_sites"])
@pytest.mark.parametrize(
    ("addend", "crashes"), [(8, False), (63, False), (200, False), (1 << 30, True), (-1 << 20, True)]
)
def test_sites_of_returns_are_decoded_wherever_they_are(
    build_module: BuildModule, make_facts: MakeFacts, name: str, addend: int, crashes: bool
) -> None:
    data = module(build_module, name, bytes(4), (0, PC32, TEXT_SYMBOL, addend))
    assert bool(found(data, make_facts)) == crashes


def test_a_site_without_a_relocation_leads_to_itself(build_module: BuildModule, make_facts: MakeFacts) -> None:
    assert not found(module(build_module, ".return_sites", bytes(4)), make_facts)


@pytest.mark.parametrize(("code", "crashes"), [(NOP5, False), (b"\xe9" + bytes(4), False), (b"\x90" * 5, True)])
def test_5_10_compares_the_code_under_a_jump_label(
    build_module: BuildModule, make_facts: MakeFacts, code: bytes, crashes: bool
) -> None:
    entries = ((0, PC32, TEXT_SYMBOL, 0), (4, PC32, TEXT_SYMBOL, 8), (8, PC64, PRINTK, 0))
    data = module(build_module, "__jump_table", bytes(16), *entries, text=code.ljust(64, b"\x90"))
    assert bool(found(data, make_facts)) == crashes
    assert not found(data, make_facts, "symbol-sections-tested")


def test_the_key_of_a_jump_label_is_written_to(build_module: BuildModule, make_facts: MakeFacts) -> None:
    entries = ((0, PC32, TEXT_SYMBOL, 0), (4, PC32, TEXT_SYMBOL, 8), (8, PC64, PRINTK, 1 << 40))
    finding = found(module(build_module, "__jump_table", bytes(16), *entries, text=NOP5 * 9), make_facts)[0]
    assert (finding.severity, finding.step) == ("crashes", 10)
    assert "entry 0 of __jump_table has a key that cannot be written to" in finding.summary


@pytest.mark.parametrize(
    ("code", "tail", "crashes"),
    [(0xE8, 0, False), (0xE9, 1, False), (0xC3, 1, False), (0xE9, 0, True), (0x90, 0, True)],
)
def test_a_static_call_has_to_lie_on_a_call(
    build_module: BuildModule, make_facts: MakeFacts, code: int, tail: int, crashes: bool
) -> None:
    entries = ((0, PC32, TEXT_SYMBOL, 0), (4, PC32, PRINTK, tail))
    data = module(build_module, ".static_call_sites", bytes(8), *entries, text=bytes([code]).ljust(64, b"\0"))
    assert bool(found(data, make_facts)) == crashes


@pytest.mark.parametrize(
    ("features", "entry", "crashes"),
    [
        ((), struct.pack("<iiHBB", 0, 0, 5, 5, 5), False),
        ((), struct.pack("<iiHBB", 0, 0, 5, 255, 5), True),
        ((), struct.pack("<iiHBB", 0, 0, 24 * 32, 5, 5), True),
        ((), struct.pack("<iiHBB", 0, 0, 0x8005, 5, 5), False),
        (("idempotent-load",), struct.pack("<iiHHBB", 0, 0, 5, 0, 5, 5), False),
        (("idempotent-load",), struct.pack("<iiHHBB", 0, 0, 5, 2, 5, 4), True),
        (("idempotent-load",), struct.pack("<iiHHBB", 0, 0, 0x8005, 0, 5, 5), True),
    ],
)
def test_an_alternative_has_a_length_and_a_feature_that_exist(
    build_module: BuildModule, make_facts: MakeFacts, features: tuple[str, ...], entry: bytes, crashes: bool
) -> None:
    entries = ((0, PC32, TEXT_SYMBOL, 0), (4, PC32, TEXT_SYMBOL, 8))
    assert bool(found(module(build_module, ".altinstructions", entry, *entries), make_facts, *features)) == crashes


@pytest.mark.parametrize(("permissions", "crashes"), [(0o644, True), (0, False)])
def test_a_parameters_name_is_read_when_it_gets_a_file(
    build_module: BuildModule, make_facts: MakeFacts, permissions: int, crashes: bool
) -> None:
    table = bytes(24) + struct.pack("<H", permissions) + bytes(14)
    entries = ((0, R64, TEXT_SYMBOL, 1 << 33), (16, R64, PRINTK, 0))
    assert bool(found(module(build_module, "__param", table, *entries), make_facts)) == crashes


def test_an_exports_name_is_looked_up(build_module: BuildModule, make_facts: MakeFacts) -> None:
    entries = ((0, PC32, TEXT_SYMBOL, 0), (4, PC32, TEXT_SYMBOL, 1 << 30), (8, PC32, TEXT_SYMBOL, 0))
    assert found(module(build_module, "__ksymtab", bytes(12), *entries), make_facts)


def test_what_is_only_sorted_or_read_with_care_is_left_alone(build_module: BuildModule, make_facts: MakeFacts) -> None:
    for name in ("__mcount_loc", ".orc_unwind_ip", "__ex_table", ".smp_locks", ".call_sites"):
        data = module(build_module, name, bytes(8), (0, R64, TEXT_SYMBOL, 1 << 40))
        assert not found(data, make_facts)


def test_a_table_that_is_changed_must_not_be_read_only(build_module: BuildModule, make_facts: MakeFacts) -> None:
    """Seen on 7.2: .static_call_sites without SHF_WRITE is a page fault in the notifier."""
    data = build_module(extra=[(".text", 1, 6, bytes(8)), (".static_call_sites", 1, 2, bytes(8))])
    assert "written to" in found(data, make_facts)[0].summary


def test_struct_module_must_not_be_read_only(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = bytearray(build_module())
    struct.pack_into("<Q", data, struct.unpack_from("<Q", data, 40)[0] + 64 * 3 + 8, 2)
    assert found(bytes(data), make_facts)[0].severity == "crashes"


@pytest.mark.parametrize("addend", [1 << 30, 0x10000063, -0x20000000])
def test_the_kernels_image_is_not_everywhere_in_its_part_of_the_address_space(
    build_module: BuildModule, make_facts: MakeFacts, addend: int
) -> None:
    """Seen to crash 6.12 in strcmp: a name somewhere in the two gigabytes that image and modules lie in."""
    entries = ((0, PC32, TEXT_SYMBOL, 0), (4, PC32, PRINTK, addend), (8, PC32, TEXT_SYMBOL, 0))
    (finding,) = found(module(build_module, "__ksymtab", bytes(12), *entries), make_facts)
    assert finding.severity == "crashes"


def test_a_parameters_name_is_read_after_the_notifiers_or_with_the_first_argument(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    table = bytes(24) + struct.pack("<H", 0o644) + bytes(14)
    data = module(build_module, "__param", table, (0, R64, TEXT_SYMBOL, 1 << 33), (16, R64, PRINTK, 0))
    for request, check in ((LoadRequest(), "sysfs-name"), (LoadRequest("x=1"), "parameters")):
        facts = make_facts()
        said = [
            name
            for name in CHECKS
            for each in CHECKS[name](ModuleImage(data), facts, request)
            if "__param" in each.summary
        ]
        assert said == [check]
