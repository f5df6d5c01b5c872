"""Init and exit functions of our own in a real module, as binutils and pyelftools read them."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection

from tracer.experiments.donor import choose_donor
from tracer.experiments.errors import UnsuitableDonor
from tracer.experiments.init_code import Exit, Init, replace_exit, replace_init
from tracer.experiments.kernel_modules import find_import
from tracer.experiments.relocatable import Relocatable

Program = Callable[..., str]


@pytest.fixture
def donor(kernel_tree: Path) -> Relocatable:
    return Relocatable.parse(choose_donor(kernel_tree).image)


def section(image: bytes, name: str) -> bytes:
    found = ELFFile(io.BytesIO(image)).get_section_by_name(name)
    assert found is not None, name
    data: bytes = found.data()
    return data


def pointers(image: bytes) -> dict[str, int]:
    """What `struct module` points to: symbol names and offsets inside the structure."""
    elf = ELFFile(io.BytesIO(image))
    symbols = elf.get_section_by_name(".symtab")
    relocations = elf.get_section_by_name(".rela.gnu.linkonce.this_module")
    assert isinstance(symbols, SymbolTableSection)
    assert isinstance(relocations, RelocationSection)
    return {symbols.get_symbol(r["r_info_sym"]).name: r["r_offset"] for r in relocations.iter_relocations()}


def instructions(objdump: Program, path: Path, function: str) -> str:
    text = objdump("-dr", "--no-show-raw-insn", f"--disassemble={function}", path)
    return re.sub(r"[ \t]+", " ", text.split(f"<{function}>:")[1].split(" ret\n")[0])


def test_a_module_without_init_is_refused(tiny_image: bytes, kernel_tree: Path) -> None:
    with pytest.raises(UnsuitableDonor, match="defines no 'init_module'"):
        replace_init(Relocatable.parse(tiny_image), Init(log=None), kernel_tree)


def test_a_module_whose_structure_points_nowhere_is_refused(donor: Relocatable, kernel_tree: Path) -> None:
    donor.set_relocations(".gnu.linkonce.this_module", [])
    with pytest.raises(UnsuitableDonor, match="points to 'cleanup_module' 0 times"):
        replace_exit(donor, Exit(), kernel_tree)


def test_a_log_line_with_a_nul_is_refused(donor: Relocatable, kernel_tree: Path) -> None:
    with pytest.raises(UnsuitableDonor, match="NUL"):
        replace_init(donor, Init(log="a\0b"), kernel_tree)


def test_init_prints_sleeps_and_returns(
    donor: Relocatable, kernel_tree: Path, tmp_path: Path, objdump: Program
) -> None:
    replace_init(donor, Init(log="hello", returns=-19, sleep_ms=300), kernel_tree)
    (tmp_path / "m.ko").write_bytes(donor.to_bytes())
    printk = find_import(kernel_tree, "_printk", "printk").symbol
    code = instructions(objdump, tmp_path / "m.ko", "init_module")
    wanted = [
        "endbr64",
        "lea ",
        f"R_X86_64_PLT32 {printk}-0x4",
        "mov $0x12c,%edi",
        "R_X86_64_PLT32 msleep-0x4",
    ]
    places = [code.find(text) for text in [*wanted, "mov $0xffffffed,%eax"]]
    assert places == sorted(places)
    assert places[0] >= 0
    assert b"\x016hello\n\0" in section(donor.to_bytes(), ".init.text")


def test_exit_prints(donor: Relocatable, kernel_tree: Path, tmp_path: Path, objdump: Program) -> None:
    replace_exit(donor, Exit("bye 100%"), kernel_tree)
    (tmp_path / "m.ko").write_bytes(donor.to_bytes())
    assert "printk-0x4" in instructions(objdump, tmp_path / "m.ko", "cleanup_module")
    assert b"\x016bye 100%%\n\0" in section(donor.to_bytes(), ".exit.text")


def test_without_exit_text_the_function_goes_to_text(donor: Relocatable, kernel_tree: Path) -> None:
    donor.rename(donor.section(".exit.text"), ".renamed")
    replace_exit(donor, Exit("bye"), kernel_tree)
    assert b"\x016bye\n\0" in section(donor.to_bytes(), ".text")


def test_the_donors_own_functions_and_their_relocations_stay(donor: Relocatable, kernel_tree: Path) -> None:
    before = choose_donor(kernel_tree).image
    own = {name: donor.relocations(name) for name in (".text", ".init.text", ".exit.text")}
    replace_init(donor, Init(sleep_ms=1), kernel_tree)
    replace_exit(donor, Exit(), kernel_tree)
    for name, relocations in own.items():
        assert section(donor.to_bytes(), name).startswith(section(before, name))
        assert donor.relocations(name)[: len(relocations)] == relocations


def test_struct_module_points_to_the_new_functions(donor: Relocatable, kernel_tree: Path) -> None:
    before = pointers(choose_donor(kernel_tree).image)
    replace_init(donor, Init(), kernel_tree)
    replace_exit(donor, Exit(), kernel_tree)
    assert pointers(donor.to_bytes()) == {
        "init_module": before["init_module"],
        "cleanup_module": before["cleanup_module"],
    }


def test_a_pointer_that_goes_by_the_section_is_found_too(donor: Relocatable, kernel_tree: Path) -> None:
    place = ".gnu.linkonce.this_module"
    symbols = donor.symbols()
    index = donor.symbol_index("init_module")
    assert index is not None
    old = symbols[index]
    alias = donor.add_symbol("an_alias", shndx=old.shndx, value=0)
    by_section = [
        r._replace(symbol=alias, addend=old.value) if r.symbol == index else r for r in donor.relocations(place)
    ]
    donor.set_relocations(place, by_section)
    replace_init(donor, Init(), kernel_tree)
    assert "init_module" in pointers(donor.to_bytes())
    assert "an_alias" not in pointers(donor.to_bytes())


def test_new_imports_carry_their_crc(donor: Relocatable, kernel_tree: Path) -> None:
    replace_init(donor, Init(sleep_ms=1), kernel_tree)
    crc = find_import(kernel_tree, "msleep").crc
    image = donor.to_bytes()
    has_crcs = ELFFile(io.BytesIO(image)).get_section_by_name("__versions") is not None
    assert has_crcs == (crc is not None)
    if crc is not None:
        assert crc.to_bytes(8, "little") + b"msleep".ljust(56, b"\0") in section(image, "__versions")
