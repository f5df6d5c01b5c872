"""Raw arm64 images, made here part by part; a machine test holds the reader against what real kernels say."""

from __future__ import annotations

import gzip
import struct

import pytest

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.boot_image import vmlinux_in
from pyinsmod.kernel_facts.raw_image import as_elf, is_raw_image
from pyinsmod.kernel_facts.vmlinux import VmlinuxFacts, facts_in_vmlinux
from tests.unit.pyinsmod.kernel_facts.built_kernels import Symbol, built_tables, read_only_data

BASE = 0xFFFF800080000000
RELEASE = "6.12.107+deb13-cloud-arm64"
VERMAGIC = f"{RELEASE} SMP mod_unload modversions aarch64"
TABLES_AT, STRINGS_AT, PARAMETERS_AT = 0x2000, 0x4000, 0x6000
# One of them twice, as memset is in arm64 kernels until 5.10.
NAMES = sorted([*(f"symbol_{number}" for number in range(40)), "symbol_7"])
SYMBOLS = [Symbol("_printk", 7), *(Symbol(name, 100 + number) for number, name in enumerate(NAMES))]
GPL = [Symbol(f"gpl_{name}", 1000 + number) for number, name in enumerate(NAMES)]


def raw_image(*, relocated: bool = True, flags: bool = False, crcs: bool = True, parameters: int = 9) -> bytes:
    """Return an image with exports and parameters; `relocated` has pointers in place, as a kernel with RELR."""
    image = bytearray(0x8000)
    image[56:60] = b"ARM\x64"
    texts = read_only_data(release=RELEASE, vermagic=VERMAGIC)
    image[0x100 : 0x100 + len(texts)] = texts
    symbols = sorted([*SYMBOLS, *GPL]) if flags else [*SYMBOLS, *GPL]
    tables = built_tables(symbols, TABLES_AT, STRINGS_AT)
    beside = bytes(symbol in GPL for symbol in symbols) if flags else b""
    beside += bytes(-len(beside) % 4) + (tables.crcs if crcs else b"")
    image[TABLES_AT : TABLES_AT + len(tables.entries)] = tables.entries
    # The strings follow what runs parallel to the entries, so that is put right before them.
    shift = STRINGS_AT - len(tables.entries) - len(beside) - TABLES_AT
    image[TABLES_AT:STRINGS_AT] = bytes(shift) + tables.entries + beside
    moved = built_tables(symbols, TABLES_AT + shift, STRINGS_AT)
    image[TABLES_AT + shift : TABLES_AT + shift + len(moved.entries)] = moved.entries
    image[STRINGS_AT : STRINGS_AT + len(moved.strings)] = moved.strings
    _add_parameters(image, STRINGS_AT + len(moved.strings), parameters, relocated=relocated)
    return bytes(image)


def _add_parameters(image: bytearray, after: int, count: int, *, relocated: bool) -> None:
    place, name_at, relocations = after + -after % 8, PARAMETERS_AT, []
    for number in range(count):
        name = f"built_in_{number}.level\0".encode()
        image[name_at : name_at + len(name)] = name
        struct.pack_into("<QQQHbBxxxxQ", image, place, 0, 0, 0, 0o644, -1, 0, 0)
        relocations += [(place, name_at), (place + 16, 0x100), (place + 32, 0x7F00)]
        place, name_at = place + 40, name_at + len(name)
    image[name_at : name_at + 8] = b"version\0"
    image[name_at + 8 : name_at + 16] = b"tested\0\0"
    struct.pack_into("<QH", image, place, 0, 0o444)
    relocations += [(place, name_at), (place + 16, 0x100), (place + 56, name_at + 8), (place + 64, name_at)]
    kept = relocations[:2] if relocated else relocations
    for at, value in relocations if relocated else ():
        struct.pack_into("<Q", image, at, BASE + value)
    for number, (at, value) in enumerate(kept):
        struct.pack_into("<QQQ", image, 0x7000 + 24 * number, BASE + at, 0x403, BASE + value)


def facts_of(image: bytes) -> VmlinuxFacts:
    return facts_in_vmlinux(vmlinux_in(image))


@pytest.mark.parametrize("relocated", [True, False], ids=["RELR", "RELA"])
def test_everything_a_vmlinux_tells_is_found_in_the_raw_image(relocated: bool) -> None:
    facts = facts_of(raw_image(relocated=relocated))
    assert (facts.machine, facts.release, facts.vermagic) == (183, RELEASE, VERMAGIC)
    assert facts.exports is not None
    assert [tuple(facts.exports[name])[1:] for name in ("_printk", "gpl_symbol_0")] == [
        (7, False, ""),
        (1000, True, ""),
    ]
    assert len(facts.exports) == len(SYMBOLS) + len(GPL)
    assert facts.sysfs_modules == frozenset({*(f"built_in_{number}" for number in range(9)), "tested"})


@pytest.mark.parametrize("crcs", [True, False])
def test_one_table_with_flags_is_told_from_two(crcs: bool) -> None:
    exports = facts_of(raw_image(flags=True, crcs=crcs)).exports
    assert exports is not None
    assert (exports["_printk"].gpl, exports["gpl_symbol_0"].gpl) == (False, True)
    assert exports["gpl_symbol_0"].crc == (1000 if crcs else None)


@pytest.mark.parametrize("packed", [False, True], ids=["zboot", "gzip"])
def test_a_packed_image_is_unpacked_first(packed: bool) -> None:
    stream = gzip.compress(raw_image(), 1)
    zboot = b"MZ\0\0zimg" + struct.pack("<II", 64, len(stream)) + bytes(8) + b"gzip".ljust(40, b"\0") + stream
    assert facts_of(stream if packed else zboot).release == RELEASE


def test_what_is_not_found_is_unknown_and_not_empty() -> None:
    facts = facts_of(raw_image(parameters=3))
    assert facts.sysfs_modules is None
    image = bytearray(raw_image())
    image[TABLES_AT:STRINGS_AT] = bytes(STRINGS_AT - TABLES_AT)
    facts = facts_of(bytes(image))
    assert (facts.exports, facts.sysfs_modules, facts.release) == (None, None, RELEASE)
    assert "no export table" in facts.reasons["exports"]


def test_an_image_of_nothing_is_no_kernel() -> None:
    empty = bytes(56) + b"ARM\x64"
    assert is_raw_image(empty)
    with pytest.raises(UsageError, match="without a kernel's banner"):
        facts_of(empty)


@pytest.mark.parametrize("end", range(60, 0x8000, 1999))
def test_an_image_cut_short_is_read_as_far_as_it_goes(end: int) -> None:
    assert as_elf(raw_image()[:end]).startswith(b"\x7fELF")


def test_tables_of_addresses_are_read_like_those_of_distances() -> None:
    """RISC-V, whose kernel need not be one that can be moved: then nothing but the architecture tells where it is."""
    link = 0xFFFFFFFF80000000
    image = bytearray(raw_image(parameters=0))
    image[56:60] = b"RSC\x05"
    image[0x7000:] = bytes(len(image) - 0x7000)  # no relocations
    names = sorted([b"_printk", *(name.encode() for name in NAMES), b"zz_last"])
    strings = b"\0" + b"\0".join(names) + b"\0"
    image[TABLES_AT:STRINGS_AT] = bytes(STRINGS_AT - TABLES_AT)
    image[STRINGS_AT : STRINGS_AT + len(strings)] = strings
    gpl = [b"gpl_" + name for name in names]
    second = STRINGS_AT + len(strings)
    image[second : second + 2000] = (b"\0".join(gpl) + b"\0").ljust(2000, b"\0")
    entries = b"".join(
        struct.pack("<QQQ", link + 0x100, link + image.index(b"\0" + name + b"\0", STRINGS_AT - 1) + 1, 0)
        for name in (*names, *gpl)
    )
    crcs = struct.pack(f"<{2 * len(names)}I", *range(2 * len(names)))
    start = STRINGS_AT - len(entries) - len(crcs)
    image[start:STRINGS_AT] = entries + crcs
    facts = facts_of(bytes(image))
    assert facts.machine == 243
    assert facts.exports is not None
    assert {name: tuple(facts.exports[name])[1:] for name in ("_printk", "gpl_zz_last")} == {
        "_printk": (names.index(b"_printk"), False, ""),
        "gpl_zz_last": (2 * len(names) - 1, True, ""),
    }
    assert len(facts.exports) == 2 * len(names)
