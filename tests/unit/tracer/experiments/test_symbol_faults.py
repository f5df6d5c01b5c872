"""Faults of symbols, their versions, and exports, read back by readelf, modprobe and pyelftools."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import Symbol, SymbolTableSection

from tracer.experiments.donor import ROLES, choose_donors, needed_modules
from tracer.experiments.errors import UnknownFault
from tracer.experiments.module_spec import ModuleSpec, build

Program = Callable[..., str]


def made(tree: Path, *faults: str) -> bytes:
    return build(ModuleSpec(faults=faults), tree)


def exporting(tree: Path, *faults: str) -> bytes:
    return build(ModuleSpec(faults=faults), tree, choose_donors(tree)["exporting"])


def symbols(image: bytes) -> list[Symbol]:
    table = ELFFile(io.BytesIO(image)).get_section_by_name(".symtab")
    assert isinstance(table, SymbolTableSection)
    return list(table.iter_symbols())


def exported_names(image: bytes) -> list[str]:
    """Follow the second reference of each `struct kernel_symbol` as the kernel would."""
    elf = ELFFile(io.BytesIO(image))
    table = next(s for s in elf.iter_sections() if s.name in (".rela__ksymtab", ".rela__ksymtab_gpl"))
    assert isinstance(table, RelocationSection)
    all_symbols, found = symbols(image), []
    for relocation in sorted(table.iter_relocations(), key=lambda each: int(each["r_offset"])):
        if relocation["r_offset"] % 12 == 4:
            symbol = all_symbols[relocation["r_info_sym"]]
            strings = elf.get_section(symbol["st_shndx"]).data()
            start = symbol["st_value"] + relocation["r_addend"]
            found.append(strings[start : strings.index(b"\0", start)].decode())
    return found


def versions(image: bytes) -> list[tuple[int, str]]:
    section = ELFFile(io.BytesIO(image)).get_section_by_name("__versions")
    assert section is not None
    return [(crc, name.rstrip(b"\0").decode()) for crc, name in struct.iter_unpack("<Q56s", section.data())]


def test_donors_are_different_modules(kernel_tree: Path) -> None:
    donors = choose_donors(kernel_tree)
    assert tuple(donors) == ROLES
    assert len({donor.name for donor in donors.values()}) == len(ROLES)
    assert [len(needed_modules(donor)) for donor in donors.values()] == [0, 0, 0, 1]
    assert b"parmtype=" in donors["parametrised"].image
    assert exported_names(donors["exporting"].image)


def test_nonsense_is_refused(kernel_tree: Path) -> None:
    for fault in ("exports-without:everything", "symbol-in-section:x", "relocation-of-symbol:x"):
        with pytest.raises(UnknownFault, match="want"):
            exporting(kernel_tree, fault)


def test_symbols_are_imported(kernel_tree: Path) -> None:
    image = made(kernel_tree, "import:kfree=0x1234", "weak-import:vfree=0x5678", "common-symbol:shared")
    found = {symbol.name: symbol for symbol in symbols(image)}
    assert (found["kfree"]["st_shndx"], found["kfree"]["st_info"]["bind"]) == ("SHN_UNDEF", "STB_GLOBAL")
    assert (found["vfree"]["st_shndx"], found["vfree"]["st_info"]["bind"]) == ("SHN_UNDEF", "STB_WEAK")
    assert found["shared"]["st_shndx"] == "SHN_COMMON"
    assert {(0x1234, "kfree"), (0x5678, "vfree")} <= set(versions(image))


def test_a_symbol_lies_elsewhere(kernel_tree: Path) -> None:
    assert symbols(made(kernel_tree, "symbol-in-section:200"))[-1]["st_shndx"] == 200
    moved = {symbol.name: symbol for symbol in symbols(made(kernel_tree, "symbol-field:init_module.value=0x99"))}
    assert moved["init_module"]["st_value"] == 0x99


def test_versions_are_missing_doubled_or_turned_round(kernel_tree: Path) -> None:
    sound = versions(made(kernel_tree))
    assert versions(made(kernel_tree, "no-crc:module_layout")) == [each for each in sound if each[1] != "module_layout"]
    assert versions(made(kernel_tree, "crcs-reversed")) == sound[::-1]
    doubled = versions(made(kernel_tree, "crc-twice:module_layout"))
    assert doubled[1:] == sound
    assert doubled[0][1] == "module_layout"
    assert ELFFile(io.BytesIO(made(kernel_tree, "no-versions"))).get_section_by_name("__versions") is None


def test_an_export_has_another_name(kernel_tree: Path) -> None:
    sound = exported_names(exporting(kernel_tree))
    assert exported_names(exporting(kernel_tree, "export-as:kfree")) == ["kfree", *sound[1:]]
    assert exported_names(exporting(kernel_tree, "export-twice")) == [sound[0], sound[0], *sound[2:]]


def test_exports_lack_their_crcs(kernel_tree: Path) -> None:
    names = {
        section.name for section in ELFFile(io.BytesIO(exporting(kernel_tree, "exports-without:crcs"))).iter_sections()
    }
    assert not names & {"__kcrctab", "__kcrctab_gpl"}


def test_a_relocation_overflows(kernel_tree: Path, tmp_path: Path, readelf: Program) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(made(kernel_tree, "relocation-overflow"))
    assert "R_X86_64_32 " in readelf("--relocs", "--wide", path).split("'.rela.text'")[1].split("Relocation section")[0]
