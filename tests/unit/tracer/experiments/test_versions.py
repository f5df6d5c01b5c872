"""The CRC records of __versions."""

from __future__ import annotations

import struct

import pytest

from pyinsmod.elf_format import SHF_ALLOC, SHT_PROGBITS
from tracer.experiments import versions
from tracer.experiments.elf_records import Section
from tracer.experiments.errors import FaultNotApplicable, UnsuitableDonor
from tracer.experiments.relocatable import Relocatable


@pytest.fixture
def module(tiny_image: bytes) -> Relocatable:
    module = Relocatable.parse(tiny_image)
    content = bytearray(struct.pack("<Q56s", 0xAAAA, b"module_layout") + struct.pack("<Q56s", 0xBBBB, b"there"))
    module.add_section(Section("__versions", 0, SHT_PROGBITS, flags=SHF_ALLOC, content=content))
    return module


def test_a_symbol_without_a_record_has_no_crc(module: Relocatable, tiny_image: bytes) -> None:
    assert versions.crc_of(module, "the") is None
    assert versions.crc_of(Relocatable.parse(tiny_image), "there") is None
    with pytest.raises(FaultNotApplicable, match="'the'"):
        versions.set_crc(module, "the", 1)


def test_half_a_record_at_the_end_is_passed_over(module: Relocatable) -> None:
    module.section("__versions").content += b"half"
    assert versions.crc_of(module, "there") == 0xBBBB


def test_an_import_without_a_known_crc_is_refused_where_modules_carry_them(module: Relocatable) -> None:
    with pytest.raises(UnsuitableDonor, match="'msleep'"):
        versions.add_import(module, "msleep", None)


def test_crcs_are_read_and_changed(module: Relocatable) -> None:
    assert versions.crc_of(module, "there") == 0xBBBB
    versions.set_crc(module, "there", 0xCCCC)
    assert module.section("__versions").content[64:74] == b"\xcc\xcc\0\0\0\0\0\0th"
    assert versions.crc_of(module, "module_layout") == 0xAAAA


def test_a_new_import_brings_its_record(module: Relocatable) -> None:
    assert versions.add_import(module, "msleep", 0xDDDD) == 3
    assert versions.imports(module) == ["there", "msleep"]
    assert module.section("__versions").content[128:] == struct.pack("<Q56s", 0xDDDD, b"msleep")


def test_an_import_the_module_has_already_is_used(module: Relocatable) -> None:
    assert versions.add_import(module, "there", None) == 2
    assert len(module.section("__versions").content) == 128


def test_where_modules_carry_no_crcs_none_is_added(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    assert versions.add_import(module, "msleep", None) == 3
    assert module.find("__versions") is None
