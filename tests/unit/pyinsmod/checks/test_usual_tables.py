"""A good module is recognised by the tables that the kernel follows, at little cost; any other goes the long way."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

import pyinsmod
from pyinsmod.checks import CHECKS
from pyinsmod.checks.plain import is_plain
from pyinsmod.elf_format import EM_AARCH64, EM_RISCV
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

Look = Callable[[bytes], None]
BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

UNDEFINED, TEXT, TABLE = 0, 4, 5
FEW = ("dummy", "softdog", "nf_tables", "tcp_vegas", "acpi_pad", "kvm")
# It has tables of alternatives and of paravirtual calls.
PATCHED = "acpi_pad"
FIELDS = {"type": ("<I", 4), "size": ("<Q", 32)}


class LongWay(Exception):
    """The module is followed through its memory."""


def no_long_way(*_: object) -> None:
    raise LongWay


@pytest.fixture
def look(kernel_tree: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """What looks at a plain module for its own kernel, and raises LongWay when it is not recognised."""

    monkeypatch.setattr("pyinsmod.checks.loader_run.loader_run", no_long_way)
    facts = pyinsmod.kernel(kernel_tree)

    def looked_at(data: bytes) -> None:
        image = ModuleImage(data).seen_by(facts.has)
        assert is_plain(image)
        assert not list(CHECKS["special-sections"](image, facts, LoadRequest()))

    return looked_at


def module(kernel_tree: Path, name: str) -> bytes:
    return next(kernel_tree.glob(f"lib/modules/*/kernel/**/{name}.ko")).read_bytes()


def with_section(data: bytes, name: str, **fields: int) -> bytes:
    """Return a module with other fields in the header of a section."""
    image, changed = ModuleImage(data), bytearray(data)
    (section,) = [each for each in image.sections if each.name == name]
    for field, value in fields.items():
        form, place = FIELDS[field]
        struct.pack_into(form, changed, image.header.shoff + 64 * section.number + place, value)
    return bytes(changed)


@pytest.mark.parametrize("name", FEW)
def test_modules_of_the_kernels_own_are_recognised(look: Look, kernel_tree: Path, name: str) -> None:
    look(module(kernel_tree, name))


@pytest.mark.parametrize("name", [".parainstructions", ".altinstructions", ".return_sites"])
def test_a_table_without_relocations_is_not_recognised(look: Look, kernel_tree: Path, name: str) -> None:
    data = with_section(module(kernel_tree, PATCHED), f".rela{name}", type=1)
    with pytest.raises(LongWay):
        look(data)


def test_an_empty_table_needs_none(look: Look, kernel_tree: Path) -> None:
    data = with_section(module(kernel_tree, PATCHED), ".rela.altinstructions", type=1)
    look(with_section(data, ".altinstructions", size=0))


@pytest.mark.parametrize(
    ("name", "short", "long_way"),
    [
        (".altinstructions", 0, False),
        (".altinstructions", 1, True),
        (".altinstructions", 3, True),
        (".parainstructions", 6, False),
        (".parainstructions", 7, True),
    ],
)
def test_the_last_entry_is_whole_but_for_what_the_assembler_leaves_out(
    look: Look, kernel_tree: Path, name: str, short: int, long_way: bool
) -> None:
    data = module(kernel_tree, PATCHED)
    (section,) = [each for each in ModuleImage(data).sections if each.name == name]
    entry = {".altinstructions": 12, ".parainstructions": 16}[name]
    changed = with_section(data, name, size=section.size + -section.size % entry - short)
    if long_way:
        with pytest.raises(LongWay):
            look(changed)
    else:
        look(changed)


# --- of other architectures, whose numbers of relocations and offsets are big


def other_module(build_module: BuildModule, machine: int, table: bytes, *entries: tuple[int, int, int, int]) -> bytes:
    """Return a module with code and a __jump_table whose relocations are (offset, type, section, addend)."""
    numbers = {TEXT: 1, TABLE: 2, UNDEFINED: 3}
    rela = b"".join(struct.pack("<QQq", at, numbers[place] << 32 | kind, addend) for at, kind, place, addend in entries)
    extra = [(".text", 1, 6, bytes(1024)), ("__jump_table", 1, 3, table), (".rela__jump_table", 4, 0, rela)]
    data = bytearray(build_module(undefined=["in_text", "in_table", "key"], extra=extra))
    struct.pack_into("<H", data, 18, machine)
    image = ModuleImage(bytes(data))
    struct.pack_into("<I", data, image.header.shoff + 64 * (TABLE + 1) + 44, TABLE)
    for place, number in numbers.items():
        struct.pack_into("<H", data, image.section_headers[image.symbol_sections[0]].offset + 24 * number + 6, place)
    return bytes(data)


def test_tables_of_arm64_are_recognised(
    build_module: BuildModule, make_facts: MakeFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pyinsmod.checks.loader_run.loader_run", no_long_way)
    prel32, prel64 = 261, 260
    entries = ((0, prel32, TEXT, 0), (4, prel32, TEXT, 8), (8, prel64, UNDEFINED, 0))
    image = ModuleImage(other_module(build_module, EM_AARCH64, bytes(16), *entries))
    assert is_plain(image)
    assert not list(CHECKS["special-sections"](image, make_facts(), LoadRequest()))


@pytest.mark.parametrize("astray", [None, 0, 308, 456])
def test_a_distance_of_riscv_is_from_its_own_place(
    build_module: BuildModule, make_facts: MakeFacts, astray: int | None
) -> None:
    """Two relocations make one there: what is pointed at is added, and the place itself is taken away."""
    entries = []
    for entry in range(0, 480, 16):
        for offset, add, subtract, place in ((0, 35, 39, TEXT), (4, 35, 39, TEXT), (8, 36, 40, UNDEFINED)):
            where = entry + offset
            entries += [(where, add, place, 0), (where, subtract, TABLE, where + 4 * (where == astray))]
    image = ModuleImage(other_module(build_module, EM_RISCV, bytes(480), *entries))
    assert is_plain(image)
    facts = make_facts(features=Fact({**dict.fromkeys(FEATURES, False), "symbol-sections-tested": True}, "test"))
    found = list(CHECKS["special-sections"](image, facts, LoadRequest()))
    assert [finding.severity for finding in found] == ([] if astray is None else ["cannot-tell"])
