"""Faults of sections and of what a module says of itself, read back by pyelftools and readelf."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.module_spec import ModuleSpec, build

Program = Callable[..., str]
THIS_MODULE = ".gnu.linkonce.this_module"


def made(tree: Path, *faults: str) -> bytes:
    return build(ModuleSpec(faults=faults), tree)


def sections(image: bytes) -> list[tuple[str, int, bytes]]:
    elf = ELFFile(io.BytesIO(image))
    return [(s.name, s["sh_flags"], b"" if s["sh_type"] == "SHT_NOBITS" else s.data()) for s in elf.iter_sections()]


def data(image: bytes, name: str) -> bytes:
    return next(content for found, _, content in sections(image) if found == name)


@pytest.mark.parametrize(
    "fault",
    ["section-renamed:.text", "section-doubled:.symtab", "section-grown:.text=x", "symbol-strings:odd", "btf:odd",
     "per-cpu:x", "section-byte:.text[x]=1", "modinfo:license"],
)  # fmt: skip
def test_nonsense_is_refused(kernel_tree: Path, fault: str) -> None:
    with pytest.raises(UnknownFault, match=r"want|cannot be doubled|KEY=VALUE"):
        made(kernel_tree, fault)


@pytest.mark.parametrize(
    "fault",
    ["section-emptied:.nowhere", "section-byte:.text[99999999]=1", "modinfo-without:nothing", "exports-without:crcs",
     "export-as:kfree", "no-crc:nobody", "symbol-field:nobody.value=1"],
)  # fmt: skip
def test_a_fault_that_this_module_cannot_have_is_refused(kernel_tree: Path, fault: str) -> None:
    with pytest.raises(FaultNotApplicable):
        made(kernel_tree, fault)


@pytest.mark.parametrize(
    ("fault", "name", "count"),
    [
        ("section-doubled:.modinfo", ".modinfo", 2),
        (f"section-doubled:{THIS_MODULE}", THIS_MODULE, 2),
        ("section-renamed:.comment=.other", ".comment", 0),
        ("section-renamed:.comment=.other", ".other", 1),
        ("two-sections:.mine", ".mine", 2),
        ("extra-section:.mine", ".mine", 1),
        ("both-constructors", ".ctors", 1),
        ("both-constructors", ".init_array", 1),
        ("btf:missing", ".BTF", 0),
    ],
)
def test_sections_come_and_go(kernel_tree: Path, fault: str, name: str, count: int) -> None:
    assert [found for found, _, _ in sections(made(kernel_tree, fault))].count(name) == count


def test_sizes_change(kernel_tree: Path) -> None:
    sound = made(kernel_tree)
    assert len(sections(made(kernel_tree, "sections:50"))) == len(sections(sound)) + 50
    assert data(made(kernel_tree, "section-grown:.modinfo=3"), ".modinfo") == data(sound, ".modinfo") + bytes(3)
    assert data(made(kernel_tree, f"section-grown:{THIS_MODULE}=-64"), THIS_MODULE) == data(sound, THIS_MODULE)[:-64]
    assert data(made(kernel_tree, "section-emptied:.modinfo"), ".modinfo") == b""
    assert data(made(kernel_tree, "section-byte:.modinfo[-1]=65"), ".modinfo") == data(sound, ".modinfo")[:-1] + b"A"
    assert len(data(made(kernel_tree, "per-cpu:9000"), ".data..percpu")) == 9000


def test_a_section_can_be_written_and_run(kernel_tree: Path, tmp_path: Path, readelf: Program) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(made(kernel_tree, "writable-code"))
    line = next(line for line in readelf("--section-headers", "--wide", path).splitlines() if " .both " in line)
    assert " WAX " in line


def test_there_are_two_symbol_tables(kernel_tree: Path) -> None:
    kinds = [s["sh_type"] for s in ELFFile(io.BytesIO(made(kernel_tree, "second-symtab"))).iter_sections()]
    assert kinds.count("SHT_SYMTAB") == 2


def test_relocations_without_addends(kernel_tree: Path) -> None:
    elf = ELFFile(io.BytesIO(made(kernel_tree, "rel-section")))
    names = [section.name for section in elf.iter_sections()]
    (table,) = [section for section in elf.iter_sections() if section["sh_type"] == "SHT_REL"]
    assert names[table["sh_info"]] == ".data"


@pytest.mark.parametrize(("kind", "first", "last"), [("no-nul-first", b"x", b"\0"), ("no-nul-last", b"\0", b"x")])
def test_the_symbols_names_are_damaged(kernel_tree: Path, kind: str, first: bytes, last: bytes) -> None:
    strings = data(made(kernel_tree, f"symbol-strings:{kind}"), ".strtab")
    assert (strings[:1], strings[-1:]) == (first, last)


def test_a_symbol_has_its_name_outside(kernel_tree: Path) -> None:
    image = made(kernel_tree, "symbol-name-outside")
    offset = int.from_bytes(data(image, ".symtab")[-24:-20], "little")
    assert offset == len(data(image, ".strtab"))


def test_what_it_says_of_itself(kernel_tree: Path, tmp_path: Path, modinfo: Program) -> None:
    path = tmp_path / "m.ko"

    def field(name: str, *faults: str) -> list[str]:
        path.write_bytes(made(kernel_tree, *faults))
        return modinfo(f"--field={name}", path).splitlines()

    assert field("license", "modinfo:license=MINE") == ["MINE"]
    assert field("license", "modinfo:license=ONE", "modinfo-also:license=TWO") == ["ONE", "TWO"]
    assert field("license", "modinfo-without:license") == []
    assert not field("vermagic", "vermagic-trimmed")[0].endswith(" ")
    assert field("vermagic", "vermagic-spaced")[0].count("  ") == 1


def test_the_two_names_differ(kernel_tree: Path) -> None:
    for fault, inside, outside in (
        ("name-inside:other", b"other", b"name=mymod"),
        ("name-outside:other", b"mymod", b"name=other"),
        ("name-inside", b"", b"name=mymod"),
        ("name-unterminated", b"n" * 56, b"name=mymod"),
    ):
        image = made(kernel_tree, fault)
        assert data(image, THIS_MODULE)[24:80].rstrip(b"\0") == inside
        assert outside in data(image, ".modinfo").split(b"\0")


def test_no_init_is_pointed_to(kernel_tree: Path, tmp_path: Path, readelf: Program) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(made(kernel_tree, "no-init"))
    part = readelf("--relocs", "--wide", path).split(f"'.rela{THIS_MODULE}'")[1].split("Relocation section")[0]
    assert "init_module" not in part
    assert "cleanup_module" in part
