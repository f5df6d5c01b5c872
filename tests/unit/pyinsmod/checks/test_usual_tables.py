"""A good module is recognised by the tables that the kernel follows, at little cost; any other goes the long way."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

import pyinsmod
from pyinsmod.checks import CHECKS
from pyinsmod.checks.plain import is_plain
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

Look = Callable[[bytes], None]
FEW = ("dummy", "softdog", "nf_tables", "tcp_vegas", "acpi_pad", "kvm")
# It has tables of alternatives and of paravirtual calls.
PATCHED = "acpi_pad"
FIELDS = {"type": ("<I", 4), "size": ("<Q", 32)}


class LongWay(Exception):
    """The module is followed through its memory."""


@pytest.fixture
def look(kernel_tree: Path, monkeypatch: pytest.MonkeyPatch) -> Look:
    """What looks at a plain module for its own kernel, and raises LongWay when it is not recognised."""

    def refuse(*_: object) -> None:
        raise LongWay

    monkeypatch.setattr("pyinsmod.checks.loader_run.loader_run", refuse)
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
