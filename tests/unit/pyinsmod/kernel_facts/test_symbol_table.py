"""The kernel's own table of symbols: found in its memory, and read as /proc/kallsyms shows it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest

from pyinsmod.kernel_facts.kcore import KernelMemory, MemoryWindow
from pyinsmod.kernel_facts.symbol_table import SymbolTable, read_only_data
from tests.unit.pyinsmod.kernel_facts.built_symbols import SHAPES, Shape, Symbol, packed, table

START, SIZE = 0xFFFFFFFF82000000, 1 << 20
PHYSICAL = 0x17E00000
IOMEM = b"00000000-00000fff : Reserved\n17000000-17c02141 : Kernel code\n  17e00000-17efffff : Kernel rodata\n"
EXPORTS = START + 0x30000

SYMBOLS = (
    # Those of per-cpu variables are small numbers, and come first.
    *(Symbol(number * 8, "A", f"percpu_{number}") for number in range(300)),
    *(Symbol(START - 0x400000 + number * 16, "t", f"trace_{number}.part") for number in range(20_000)),
    Symbol(START, "d", "other_name"),
    Symbol(START, "D", "__start_rodata"),
    *(Symbol(START + 64 + number * 8, "d", f"start_{number}") for number in range(300)),
    Symbol(START + 0x20000, "d", "x" * 200),
    Symbol(START + 0x20008, "r", "vermagic"),
    Symbol(EXPORTS, "R", "__start___ksymtab"),
    *(Symbol(EXPORTS + number * 12, "r", f"__ksymtab_{number}") for number in range(500)),
    Symbol(EXPORTS + 6000, "R", "__stop___ksymtab"),
    Symbol(START + SIZE, "D", "__end_rodata"),
    *(Symbol(START + SIZE + 8 + number * 8, "b", f"vermagic_{number}") for number in range(300)),
    Symbol(START + SIZE + 0x10000, "b", "vermagic"),
)
WANTED = ("__start_rodata", "vermagic", "__start___ksymtab", "__stop___ksymtab", "__start___kcrctab", "__end_rodata")


def memory_with(folder: Path, made: bytes, at: int = 0x8000) -> KernelMemory:
    """Return memory whose read-only data has these bytes somewhere, and digits that belong to nothing before them."""
    digits = b"\x001\x002\x00" + b"\0".join(b"%d" % digit for digit in range(10)) + b"\0"
    content = (digits.ljust(at, b"\xcc") + made).ljust(SIZE + 64, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF".ljust(16, b"\0"), 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    # The same physical memory stands in two places, as all of it does beside the kernel's own mapping.
    for address in (0xFFFF888017E00000, START):
        header += struct.pack("<IIQQQQQQ", 1, 4, 176, address, PHYSICAL, len(content), len(content), 4096)
    file = folder / "kcore"
    file.write_bytes(header + content)
    return KernelMemory(str(file))


def window_with(folder: Path, made: bytes) -> MemoryWindow:
    return read_only_data(IOMEM, memory_with(folder, made))


@pytest.fixture(params=SHAPES.values(), ids=list(SHAPES))
def shape(request: pytest.FixtureRequest) -> Shape:
    made: Shape = request.param
    return made


def symbols_of(shape: Shape) -> list[Symbol]:
    return [each for each in SYMBOLS if each.address >> 63 or shape.addresses == "percpu"]


@cache
def built(shape: Shape) -> bytes:
    return table(symbols_of(shape), shape, START + 0x8000)


def test_the_addresses_are_those_within_the_window(tmp_path: Path, shape: Shape) -> None:
    """The name that stands again behind it is another's; the first one of an address decides nothing."""
    assert SymbolTable(window_with(tmp_path, built(shape))).addresses_of(WANTED) == {
        "__start_rodata": START,
        "vermagic": START + 0x20008,
        "__start___ksymtab": EXPORTS,
        "__stop___ksymtab": EXPORTS + 6000,
        "__end_rodata": START + SIZE,
    }


def test_all_names_of_an_address_are_told(tmp_path: Path, shape: Shape) -> None:
    symbols = SymbolTable(window_with(tmp_path, built(shape)))
    assert symbols.names_at(START) == (b"other_name", b"__start_rodata")
    assert symbols.names_at(START + 0x20000) == (b"x" * 200,)
    assert symbols.names_at(EXPORTS + 12 * 499) == (b"__ksymtab_499",)
    assert symbols.names_at(EXPORTS + 12 * 499 + 1) == ()
    assert symbols.names_at(SYMBOLS[-1].address + 1) == ()


@pytest.mark.parametrize("damaged", ["tokens", "markers", "total"])
def test_a_table_whose_parts_do_not_prove_each_other_is_none(tmp_path: Path, shape: Shape, damaged: str) -> None:
    of_block = sum(len(packed(each)) for each in symbols_of(shape)[:256])
    sound, broken = {
        "tokens": (b"__st\0art_\0", b"__star\0t_\0"),
        "markers": (struct.pack("<II", 0, of_block), struct.pack("<II", 0, of_block + 0x7FFF0000)),
        "total": (struct.pack("<I", len(symbols_of(shape))), struct.pack("<I", 5)),
    }[damaged]
    assert sound in built(shape)
    with pytest.raises(ValueError, match="symbol table"):
        SymbolTable(window_with(tmp_path, built(shape).replace(sound, broken)))


def test_addresses_are_believed_when_read_only_data_is_where_it_is(tmp_path: Path, shape: Shape) -> None:
    """Without that symbol nothing proves in which way they are counted."""
    others = [each for each in symbols_of(shape) if each.name != "__start_rodata"]
    with pytest.raises(ValueError, match="unknown kind"):
        SymbolTable(window_with(tmp_path, table(others, shape, START + 0x8000)))


def test_memory_without_a_table_has_none(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no tokens"):
        SymbolTable(window_with(tmp_path, b""))


@pytest.mark.parametrize("iomem", [b"", b"00000000-00000000 : Kernel rodata\n", b"17e00000 : Kernel rodata\n"])
def test_where_read_only_data_is_may_not_be_told(tmp_path: Path, iomem: bytes) -> None:
    """From others than root the addresses are hidden, as zeros; other architectures have no such line."""
    with pytest.raises(ValueError, match=r"segment|unpack|invalid literal"):
        read_only_data(iomem, memory_with(tmp_path, b""))


def test_its_span_is_where_it_stands(tmp_path: Path, shape: Shape) -> None:
    """Texts are not looked for in there, so nothing else may be in it."""
    start, end = SymbolTable(window_with(tmp_path, built(shape))).span
    begins = START + 0x8000
    assert begins <= start < end <= begins + len(built(shape))
    names = built(shape).index(packed(symbols_of(shape)[0]))
    assert start <= begins + names
    assert end > begins + built(shape).index(b"_rodata\x00")


def with_runs(extra: Sequence[Symbol]) -> list[Symbol]:
    """Return a table in which runs of export entries, flags and names stand, and some more symbols."""
    symbols = [
        Symbol(START, "D", "__start_rodata"),
        *(Symbol(START + 0x1000 + number * 12, "r", f"__ksymtab_{number}") for number in range(1500)),
        *(Symbol(START + 0x8000 + number, "r", f"__flags_{number}") for number in range(1500)),
        *(Symbol(START + 0x9000 + number * 10, "r", f"__kstrtab_{number}") for number in range(1500)),
        *(Symbol(START - 0x400000 + number * 16, "t", f"trace_{number}.part") for number in range(18_000)),
        *extra,
    ]
    return sorted(symbols, key=lambda each: each.address)


@pytest.mark.parametrize("offset", [0x1000, 0x1000 + 12 * 700, 0x1000 + 12 * 1499, 0x8000 + 700, 0x8000 + 1499])
def test_a_symbol_that_stands_in_a_run_is_found(tmp_path: Path, shape: Shape, offset: int) -> None:
    """Where export entries end and others begin, several symbols stand at one address."""
    symbols = with_runs([Symbol(START + offset, "R", "__stop___ksymtab"), Symbol(START + offset, "R", "vermagic")])
    found = SymbolTable(window_with(tmp_path, table(symbols, shape, START + 0x8000))).addresses_of(WANTED)
    assert found == {"__start_rodata": START, "__stop___ksymtab": START + offset, "vermagic": START + offset}


def test_a_symbol_behind_runs_is_found(tmp_path: Path, shape: Shape) -> None:
    symbols = with_runs([Symbol(START + 0x9000 + 15000, "r", "vermagic"), Symbol(START + 0x30000, "D", "__end_rodata")])
    found = SymbolTable(window_with(tmp_path, table(symbols, shape, START + 0x8000))).addresses_of(WANTED)
    assert found == {"__start_rodata": START, "vermagic": START + 0x9000 + 15000, "__end_rodata": START + 0x30000}
