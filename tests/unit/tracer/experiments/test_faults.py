"""Each fault, alone and with others: what a reader that knows nothing of us finds wrong."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tests.elf_reading import relocation_table, section, symbol_table
from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.faults import FAULTS, lookup
from tracer.experiments.module_spec import ModuleSpec, build

Program = Callable[..., str]


def made(tree: Path, *faults: str) -> bytes:
    return build(ModuleSpec(faults=faults), tree)


def value_of(image: bytes, key: str) -> str | None:
    data = section(image, ".modinfo").data()
    found = [text[len(key) + 1 :] for text in data.split(b"\0") if text.startswith(f"{key}=".encode())]
    return found[0].decode() if found else None


def differences(one: bytes, other: bytes) -> set[int]:
    """Return the offsets at which two files of one length differ."""
    return {place for place, (a, b) in enumerate(zip(one, other, strict=True)) if a != b}


def header_offset(image: bytes, name: str) -> int:
    """Return where the header of a section lies in a sound file."""
    elf = ELFFile(io.BytesIO(image))
    names = [part.name for part in elf.iter_sections()]
    table: int = elf["e_shoff"]
    return table + 64 * names.index(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("no-such-fault", "no fault 'no-such-fault'; there are appended,"),
        ("", "no fault ''"),
        ("not-elf:really", "takes no argument"),
        ("section-outside", "wants section-outside:SECTION"),
        ("vermagic-without:", "wants vermagic-without:WORD"),
        ("relocation-type:nine", "wants a number"),
        ("relocation-type:4294967296", "wants a number"),
        ("truncated:half", "wants a length"),
        ("name:" + "x" * 56, "cannot name a module"),
        ("name:ümlaut", "cannot name a module"),
    ],
)
def test_a_fault_that_does_not_exist_is_refused(kernel_tree: Path, name: str, why: str) -> None:
    with pytest.raises(UnknownFault, match=why):
        made(kernel_tree, name)


@pytest.mark.parametrize(
    "name",
    ["section-outside:.nowhere", "section-name-outside:.nowhere", "vermagic-without:nonsense", "crc:nobody"],
)
def test_a_fault_that_this_module_cannot_have_is_refused(kernel_tree: Path, name: str) -> None:
    with pytest.raises(FaultNotApplicable, match=name.partition(":")[2]):
        made(kernel_tree, name)


def test_the_version_magic_cannot_be_changed_when_it_is_gone(kernel_tree: Path) -> None:
    with pytest.raises(FaultNotApplicable, match="no version magic"):
        made(kernel_tree, "no-vermagic", "vermagic-release")


def test_every_fault_is_described_and_of_one_kind() -> None:
    for name, fault in FAULTS.items():
        assert fault.description, name
        assert (fault.in_module is None) != (fault.in_image is None), name
        assert lookup(f"{name}:1" if fault.argument else name)[0] is fault


@pytest.mark.parametrize(
    ("fault", "offset", "value"),
    [
        ("not-elf", 0, b"\x7fFLE"),
        ("wrong-type", 16, struct.pack("<H", 2)),
        ("wrong-machine", 18, struct.pack("<H", 183)),
    ],
)
def test_header_faults_change_one_field(kernel_tree: Path, fault: str, offset: int, value: bytes) -> None:
    sound, faulty = made(kernel_tree), made(kernel_tree, fault)
    assert faulty[offset : offset + len(value)] == value
    assert differences(sound, faulty) <= set(range(offset, offset + len(value)))


def test_the_section_table_lies_outside(kernel_tree: Path) -> None:
    sound, faulty = made(kernel_tree), made(kernel_tree, "section-table-outside")
    assert struct.unpack_from("<Q", faulty, 40)[0] > len(faulty)
    assert differences(sound, faulty) <= set(range(40, 48))


@pytest.mark.parametrize("name", [".text", ".data", ".bss", ".rela.text", ".modinfo", ".symtab"])
def test_one_section_lies_outside(kernel_tree: Path, name: str) -> None:
    sound, faulty = made(kernel_tree), made(kernel_tree, f"section-outside:{name}")
    header = header_offset(sound, name)
    moved = section(faulty, name)
    assert moved["sh_offset"] > len(faulty)
    assert differences(sound, faulty) <= set(range(header + 24, header + 32))


@pytest.mark.parametrize("name", [".text", ".rela.text"])
def test_one_name_lies_outside(kernel_tree: Path, name: str) -> None:
    sound, faulty = made(kernel_tree), made(kernel_tree, f"section-name-outside:{name}")
    header = header_offset(sound, name)
    assert struct.unpack_from("<I", faulty, header)[0] >= section(sound, ".shstrtab")["sh_size"]
    assert differences(sound, faulty) <= set(range(header, header + 4))


@pytest.mark.parametrize(
    ("fault", "gone"),
    [("no-modinfo", ".modinfo"), ("no-this-module", ".gnu.linkonce.this_module")],
)
def test_a_section_is_not_found_by_its_name(kernel_tree: Path, fault: str, gone: str) -> None:
    elf = ELFFile(io.BytesIO(made(kernel_tree, fault)))
    assert elf.get_section_by_name(gone) is None
    assert elf.get_section_by_name(gone[1:]) is not None


def test_there_is_no_symbol_table(kernel_tree: Path) -> None:
    sections = ELFFile(io.BytesIO(made(kernel_tree, "no-symtab"))).iter_sections()
    assert "SHT_SYMTAB" not in {part["sh_type"] for part in sections}


def test_the_file_is_cut_off(kernel_tree: Path) -> None:
    sound = made(kernel_tree)
    assert made(kernel_tree, "truncated") == sound[: len(sound) // 2]
    assert made(kernel_tree, "truncated:63") == sound[:63]
    assert made(kernel_tree, "truncated:0") == b""


def test_version_magic_faults_change_what_they_say(kernel_tree: Path) -> None:
    vermagic = value_of(made(kernel_tree), "vermagic")
    assert vermagic is not None
    release, flags = vermagic.split(" ", 1)
    assert value_of(made(kernel_tree, "vermagic-release"), "vermagic") == f"0.0.0-another {flags}"
    assert value_of(made(kernel_tree, "vermagic-release:9.9"), "vermagic") == f"9.9 {flags}"
    without = value_of(made(kernel_tree, "vermagic-without:SMP"), "vermagic")
    assert without == f"{release} {flags.replace('SMP ', '')}"
    assert value_of(made(kernel_tree, "vermagic-with:more"), "vermagic") == f"{vermagic}more "
    assert value_of(made(kernel_tree, "no-vermagic"), "vermagic") is None
    assert value_of(made(kernel_tree, "license:Proprietary"), "license") == "Proprietary"


def test_a_fault_in_the_version_magic_changes_nothing_else(kernel_tree: Path) -> None:
    def others(image: bytes) -> list[tuple[str, bytes]]:
        sections = ELFFile(io.BytesIO(image)).iter_sections()
        return [(s.name, s.data()) for s in sections if s.name not in {".modinfo", ".bss"}]

    assert others(made(kernel_tree, "vermagic-without:SMP")) == others(made(kernel_tree))


@pytest.mark.parametrize("symbol", ["module_layout", "printk"])
def test_one_crc_is_wrong(kernel_tree: Path, symbol: str) -> None:
    sound = made(kernel_tree)
    if ELFFile(io.BytesIO(sound)).get_section_by_name("__versions") is None:
        pytest.skip("this kernel's modules carry no CRCs: run with a kernel that has MODVERSIONS, such as 6.1")
    faulty = made(kernel_tree, f"crc:{symbol}")
    table = section(sound, "__versions")
    changed = {(place - table["sh_offset"]) // 64 for place in differences(sound, faulty)}
    assert len(changed) == 1
    record = table.data()[changed.pop() * 64 :][:64]
    assert record[8:].rstrip(b"\0").lstrip(b"_").decode() == symbol


@pytest.mark.parametrize(("fault", "bind"), [("undefined-symbol", "GLOBAL"), ("weak-undefined-symbol", "WEAK")])
def test_a_symbol_is_imported_and_used(kernel_tree: Path, fault: str, bind: str) -> None:
    image = made(kernel_tree, fault)
    symbols = list(symbol_table(image).iter_symbols())
    (number,) = [i for i, symbol in enumerate(symbols) if symbol.name == "no_kernel_has_this"]
    assert symbols[number]["st_shndx"] == "SHN_UNDEF"
    assert symbols[number]["st_info"]["bind"] == f"STB_{bind}"
    used = [r["r_info_sym"] for r in relocation_table(image, ".rela.data").iter_relocations()]
    assert number in used


def test_several_symbols_are_imported_in_order(kernel_tree: Path) -> None:
    image = made(kernel_tree, "undefined-symbol:one", "undefined-symbol:two")
    assert [symbol.name for symbol in symbol_table(image).iter_symbols()][-2:] == ["one", "two"]


def test_an_unknown_relocation_is_added(kernel_tree: Path, tmp_path: Path, readelf: Program) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(made(kernel_tree, "relocation-type:9"))
    text = readelf("--relocs", "--wide", path)
    assert text.split("'.rela.text'")[1].split("Relocation section")[0].count("R_X86_64_GOTPCREL ") == 1


@pytest.mark.parametrize(("fault", "before"), [("relocation-type:1", bytes(8)), ("relocation-nonzero", b"\x11" * 8)])
def test_the_place_of_the_relocation_is_empty_or_not(kernel_tree: Path, fault: str, before: bytes) -> None:
    image = made(kernel_tree, fault)
    last = list(relocation_table(image, ".rela.text").iter_relocations())[-1]
    assert section(image, ".text").data()[last["r_offset"] :] == before
    assert last["r_info_type"] == 1


def test_faults_of_all_kinds_combine(kernel_tree: Path) -> None:
    faults = (
        "undefined-symbol",
        "relocation-type:9",
        "vermagic-without:SMP",
        "section-outside:.text",
        "wrong-type",
    )
    for order in (faults, faults[::-1]):
        image = made(kernel_tree, *order)
        assert ELFFile(io.BytesIO(image))["e_type"] == "ET_EXEC"
        assert section(image, ".text")["sh_offset"] > len(image)
        assert "SMP" not in str(value_of(image, "vermagic"))
        assert symbol_table(image).get_symbol_by_name("no_kernel_has_this")
        assert 9 in {r["r_info_type"] for r in relocation_table(image, ".rela.text").iter_relocations()}


def test_a_lost_section_table_hides_no_place_from_later_faults(kernel_tree: Path) -> None:
    sound = made(kernel_tree)
    faulty = made(kernel_tree, "truncated:5000", "section-table-outside", "not-elf", "section-outside:.text")
    assert len(faulty) == min(5000, len(sound))
    assert faulty[:4] == b"\x7fFLE"
