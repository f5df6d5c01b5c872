"""Version magic and the strings of .modinfo."""

from __future__ import annotations

import pytest

from pyinsmod.elf_format import SHT_PROGBITS
from tracer.experiments import modinfo
from tracer.experiments.elf_records import Section
from tracer.experiments.relocatable import Relocatable

DEBIAN = "6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions "
ARM64 = "6.12.9-arm64 SMP preempt mod_unload modversions aarch64"


@pytest.fixture
def module(tiny_image: bytes) -> Relocatable:
    module = Relocatable.parse(tiny_image)
    content = bytearray(b"license=GPL\0\0\0depends=\0name=tiny\0alias=a=b\0name=second\0broken\0")
    module.add_section(Section(".modinfo", 0, SHT_PROGBITS, content=content))
    return module


def test_a_module_without_the_section_says_nothing(tiny_image: bytes) -> None:
    assert modinfo.entries(Relocatable.parse(tiny_image)) == []
    assert modinfo.value_of(Relocatable.parse(tiny_image), "name") is None


def test_the_first_value_counts_as_it_does_for_the_kernel(module: Relocatable) -> None:
    assert modinfo.value_of(module, "name") == "tiny"
    assert modinfo.value_of(module, "alias") == "a=b"
    assert modinfo.value_of(module, "depends") == ""


def test_a_value_is_replaced_where_it_stood(module: Relocatable) -> None:
    modinfo.set_value(module, "name", "other")
    assert [key for key, _ in modinfo.entries(module)] == ["license", "depends", "name", "alias", "broken"]
    assert b"name=other\0" in module.section(".modinfo").content


def test_a_value_can_be_removed_or_added(module: Relocatable) -> None:
    modinfo.set_value(module, "license", None)
    modinfo.set_value(module, "vermagic", DEBIAN)
    assert modinfo.value_of(module, "license") is None
    assert modinfo.entries(module)[-1] == ("vermagic", DEBIAN)


@pytest.mark.parametrize("word", ["", "preempt_rt", "6.1.0-50-cloud-amd64", "SM"])
def test_a_flag_that_is_not_there_cannot_be_taken_out(word: str) -> None:
    assert modinfo.without_word(DEBIAN, word) is None


@pytest.mark.parametrize(
    ("vermagic", "word", "left"),
    [
        (DEBIAN, "SMP", "6.1.0-50-cloud-amd64 preempt mod_unload modversions "),
        (DEBIAN, "modversions", "6.1.0-50-cloud-amd64 SMP preempt mod_unload "),
        (ARM64, "preempt", "6.12.9-arm64 SMP mod_unload modversions aarch64"),
    ],
)
def test_taking_a_flag_out_keeps_every_other_character(vermagic: str, word: str, left: str) -> None:
    assert modinfo.without_word(vermagic, word) == left


def test_a_flag_is_added_as_the_kernel_would_write_it() -> None:
    assert modinfo.with_word("5.10 SMP ", "preempt") == "5.10 SMP preempt "
    assert modinfo.with_word(ARM64, "more") == f"{ARM64} more"


def test_only_the_first_word_is_the_release() -> None:
    assert modinfo.with_release(DEBIAN, "7.2") == "7.2 SMP preempt mod_unload modversions "
