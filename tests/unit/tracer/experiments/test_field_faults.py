"""Faults of single fields, and of what stands behind the end: read back by a reader that knows nothing of us."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.fields import HEADER_FIELDS, RELOCATION_RECORD, SECTION_FIELDS, SYMBOL_RECORD
from tracer.experiments.module_spec import ModuleSpec, build


def made(tree: Path, *faults: str) -> bytes:
    return build(ModuleSpec(faults=faults), tree)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ("header-field:shentsize", "FIELD=NUMBER"),
        ("header-field:colour=1", "FIELD=NUMBER with a field of type, machine"),
        ("header-field:shnum=many", "FIELD=NUMBER"),
        ("section-field:.text=1", "FIELD=NUMBER"),
        ("ident:16=1", "up to 15"),
        ("ident:x", "PLACE=VALUE"),
        ("appended:xyz", "hexadecimal"),
        ("signature:forged", "signature wants one of"),
    ],
)
def test_nonsense_is_refused(kernel_tree: Path, fault: str, why: str) -> None:
    with pytest.raises(UnknownFault, match=why):
        made(kernel_tree, fault)


@pytest.mark.parametrize("fault", ["section-field:.nowhere.size=1", "section-field:#999.size=1"])
def test_there_has_to_be_such_a_section(kernel_tree: Path, fault: str) -> None:
    with pytest.raises(FaultNotApplicable, match="no section"):
        made(kernel_tree, fault)


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [("type=4", "e_type", "ET_CORE"), ("machine=183", "e_machine", "EM_AARCH64"), ("flags=0x12", "e_flags", 0x12)],
)
def test_a_field_of_the_header_is_set(kernel_tree: Path, fault: str, name: str, value: object) -> None:
    assert ELFFile(io.BytesIO(made(kernel_tree, f"header-field:{fault}")))[name] == value


@pytest.mark.parametrize(
    ("change", "expected"),
    [("=7", lambda _: 7), ("=+8", lambda old: old + 8), ("=-1", lambda old: old - 1), ("=|64", lambda old: old | 64),
     ("=&~2", lambda old: old & ~2), ("=0xffffffffffffffff", lambda _: 2**64 - 1)],
)  # fmt: skip
def test_a_field_is_set_or_changed(kernel_tree: Path, change: str, expected: object) -> None:
    def flags(image: bytes) -> int:
        section = ELFFile(io.BytesIO(image)).get_section_by_name(".text")
        assert section is not None
        value: int = section["sh_flags"]
        return value

    assert callable(expected)
    assert flags(made(kernel_tree, f"section-field:.text.flags{change}")) == expected(flags(made(kernel_tree)))


def test_a_section_goes_by_its_number_too(kernel_tree: Path) -> None:
    image = made(kernel_tree, "section-field:#0.size=9")
    assert ELFFile(io.BytesIO(image)).get_section(0)["sh_size"] == 9


def test_a_field_of_the_first_relocation_is_set(kernel_tree: Path) -> None:
    table = ELFFile(io.BytesIO(made(kernel_tree, "relocation-field:.rela.text.type=41"))).get_section_by_name(
        ".rela.text"
    )
    assert table is not None
    assert table.data()[8:12] == struct.pack("<I", 41)


def test_fields_lie_where_the_format_says() -> None:
    """Offsets of elf(5), and of Elf64_Rela with r_info split as ELF64_R_SYM and ELF64_R_TYPE do."""
    assert {name: field.offset for name, field in HEADER_FIELDS.items()} == {
        "type": 16, "machine": 18, "version": 20, "entry": 24, "phoff": 32, "shoff": 40, "flags": 48, "ehsize": 52,
        "phentsize": 54, "phnum": 56, "shentsize": 58, "shnum": 60, "shstrndx": 62,
    }  # fmt: skip
    assert [field.offset for field in SECTION_FIELDS.values()] == [0, 4, 8, 16, 24, 32, 40, 44, 48, 56]
    assert [field.offset for field in SYMBOL_RECORD.values()] == [0, 4, 5, 6, 8, 16]
    assert [field.offset for field in RELOCATION_RECORD.values()] == [0, 8, 12, 16]


@pytest.mark.parametrize(
    ("fault", "tail"),
    [("appended:00ff", b"\x00\xff"), ("signature:marker-only", b"~Module signature appended~\n"),
     ("signature:id-type-1", struct.pack(">BBB5xI", 0, 0, 1, 5) + b"~Module signature appended~\n")],
)  # fmt: skip
def test_something_stands_behind_the_end(kernel_tree: Path, fault: str, tail: bytes) -> None:
    sound, faulty = made(kernel_tree), made(kernel_tree, fault)
    assert faulty.startswith(sound)
    assert faulty.endswith(tail)
