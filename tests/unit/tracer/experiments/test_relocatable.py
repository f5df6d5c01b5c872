"""Taking a relocatable file apart, changing it and writing it anew; pyelftools is the judge."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile
from elftools.elf.relocation import RelocationSection
from elftools.elf.sections import SymbolTableSection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pyinsmod.elf_format import SHF_ALLOC, SHT_PROGBITS
from tests.elf_reading import relocation_table, section, symbol_table
from tracer.experiments.elf_records import STB_LOCAL, Relocation, Section
from tracer.experiments.errors import NotRelocatable
from tracer.experiments.kernel_modules import module_files, read_module
from tracer.experiments.relocatable import Relocatable

Program = Callable[..., str]


def facts(image: bytes) -> list[Any]:
    """Everything pyelftools sees in a file, except where its parts lie."""
    elf = ELFFile(io.BytesIO(image))
    seen: list[Any] = [{key: elf[key] for key in elf.header if key != "e_shoff"}]
    for part in elf.iter_sections():
        header = {key: value for key, value in part.header.items() if key != "sh_offset"}
        seen.append((part.name, header, b"" if part["sh_type"] == "SHT_NOBITS" else part.data()))
        if isinstance(part, SymbolTableSection):
            seen.append([(symbol.name, symbol.entry) for symbol in part.iter_symbols()])
        if isinstance(part, RelocationSection):
            seen.append([relocation.entry for relocation in part.iter_relocations()])
    return seen


def symbols_of(image: bytes) -> dict[str, Any]:
    return {symbol.name: symbol for symbol in symbol_table(image).iter_symbols()}


def relocation_targets(image: bytes, table: str) -> list[tuple[int, int, str]]:
    symbols = list(symbol_table(image).iter_symbols())
    relocations = relocation_table(image, table).iter_relocations()
    return [(r["r_offset"], r["r_info_type"], symbols[r["r_info_sym"]].name) for r in relocations]


@pytest.mark.parametrize(
    ("offset", "spoiled", "why"),
    [
        (0, b"\x7fBAD", "no ELF file"),
        (4, b"\x01", "64-bit"),
        (5, b"\x02", "little-endian"),
        (16, b"\x02", "ELF type 2"),
        (40, struct.pack("<Q", 1 << 40), "beyond the end"),
        (58, b"\x20", "no usable section header table"),
        (60, bytes(2), "no usable section header table"),
        (62, b"\xff", "no usable section header table"),
    ],
)
def test_a_spoiled_header_is_refused_by_name(tiny_image: bytes, offset: int, spoiled: bytes, why: str) -> None:
    image = tiny_image[:offset] + spoiled + tiny_image[offset + len(spoiled) :]
    with pytest.raises(NotRelocatable, match=why):
        Relocatable.parse(image)


@pytest.mark.parametrize("length", [0, 4, 63, 64, 200])
def test_a_file_cut_off_anywhere_is_refused(tiny_image: bytes, length: int) -> None:
    with pytest.raises(NotRelocatable):
        Relocatable.parse(tiny_image[:length])


@pytest.mark.parametrize(("kind", "why"), [(1, "0 symbol tables"), (2, "2 symbol tables"), (18, "SHNDX")])
def test_unusual_symbol_tables_are_refused(tiny_image: bytes, kind: int, why: str) -> None:
    table = struct.unpack_from("<Q", tiny_image, 40)[0]
    changed = 4 if kind == 1 else 5  # the symbol table itself, or the string table beside it
    image = bytearray(tiny_image)
    struct.pack_into("<I", image, table + changed * 64 + 4, kind)
    with pytest.raises(NotRelocatable, match=why):
        Relocatable.parse(bytes(image))


def test_an_absurd_alignment_is_refused(tiny_image: bytes) -> None:
    table = struct.unpack_from("<Q", tiny_image, 40)[0]
    image = bytearray(tiny_image)
    struct.pack_into("<Q", image, table + 64 + 48, 1 << 62)
    with pytest.raises(NotRelocatable, match="aligned"):
        Relocatable.parse(bytes(image))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(st.data())
def test_no_bytes_make_parsing_or_writing_fail_otherwise(tiny_image: bytes, data: st.DataObject) -> None:
    image = bytearray(tiny_image)
    for _ in range(data.draw(st.integers(1, 4))):
        image[data.draw(st.integers(0, len(image) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(NotRelocatable):
        Relocatable.parse(bytes(image)).to_bytes()


def test_an_unchanged_file_is_written_with_the_same_facts_but_without_its_signature(
    tiny_image: bytes,
) -> None:
    written = Relocatable.parse(tiny_image).to_bytes()
    assert facts(written) == facts(tiny_image)
    assert b"signature" not in written


def test_real_modules_are_written_with_the_same_facts(kernel_tree: Path) -> None:
    sample = list(module_files(kernel_tree).values())[:900:45]
    assert len(sample) > 10
    for path in sample:
        image = read_module(path)
        written = Relocatable.parse(image).to_bytes()
        assert facts(written) == facts(image), path
        for part in ELFFile(io.BytesIO(written)).iter_sections():
            assert part["sh_offset"] % max(part["sh_addralign"], 1) == 0, (path, part.name)


def test_what_is_missing_is_named(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    with pytest.raises(NotRelocatable, match=r"\.nowhere"):
        module.section(".nowhere")
    with pytest.raises(NotRelocatable, match=r"\.bss"):
        module.append(".bss", b"x")
    assert module.find(".nowhere") is None
    assert module.symbol_index("nobody") is None


def test_appended_bytes_are_aligned_and_move_what_follows(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    assert module.append(".text", b"abc") == 16
    assert module.append(".text", b"def", alignment=32, filler=b"\xcc") == 32
    text = section(module.to_bytes(), ".text")
    assert text.data() == b"\x90" * 16 + b"abc" + b"\xcc" * 13 + b"def"
    assert text["sh_addralign"] == 32
    assert relocation_targets(module.to_bytes(), ".rela.text") == [(4, 4, "there")]


def test_an_added_import_follows_all_others(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    assert module.add_symbol("elsewhere") == 3
    added = symbols_of(module.to_bytes())["elsewhere"]
    assert (added["st_shndx"], added["st_info"]["bind"]) == ("SHN_UNDEF", "STB_GLOBAL")


def test_an_added_local_symbol_stands_before_the_globals_and_relocations_follow(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    assert module.add_symbol("aside", shndx=1, value=12, size=4, binding=STB_LOCAL) == 2
    image = module.to_bytes()
    table = symbol_table(image)
    assert [symbol.name for symbol in table.iter_symbols()] == ["", "here", "aside", "there"]
    assert table["sh_info"] == 3
    assert relocation_targets(image, ".rela.text") == [(4, 4, "there")]


def test_a_symbol_can_be_moved(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    index = module.symbol_index("here")
    assert index == 1
    module.set_symbol(index, module.symbols()[index]._replace(shndx=3, value=40, size=8))
    moved = symbols_of(module.to_bytes())["here"]
    assert (moved["st_shndx"], moved["st_value"], moved["st_size"]) == (3, 40, 8)


def test_a_relocation_is_added_to_the_table_there_is(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    module.add_relocation(".text", Relocation(8, 1, 2, -4))
    assert relocation_targets(module.to_bytes(), ".rela.text") == [(4, 4, "there"), (8, 2, "here")]


def test_a_relocation_table_is_made_where_there_is_none(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    data = Section(".data", 0, SHT_PROGBITS, flags=SHF_ALLOC, content=bytearray(8))
    index = module.add_section(data)
    module.add_relocation(".data", Relocation(0, 2, 1, 0))
    image = module.to_bytes()
    table = relocation_table(image, ".rela.data")
    assert (table["sh_info"], table["sh_link"], table["sh_entsize"]) == (index, 4, 24)
    assert relocation_targets(image, ".rela.data") == [(0, 1, "there")]


def test_half_a_relocation_is_refused(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    module.section(".rela.text").content += b"half"
    with pytest.raises(NotRelocatable, match="half a relocation"):
        module.relocations(".text")


def test_a_section_can_be_renamed(tiny_image: bytes) -> None:
    module = Relocatable.parse(tiny_image)
    module.rename(module.section(".text"), ".words")
    names = [part.name for part in ELFFile(io.BytesIO(module.to_bytes())).iter_sections()]
    assert names == ["", ".words", ".rela.text", ".bss", ".symtab", ".strtab", ".shstrtab"]


def test_binutils_find_nothing_to_warn_about(tiny_image: bytes, tmp_path: Path, readelf: Program) -> None:
    module = Relocatable.parse(tiny_image)
    module.add_symbol("aside", shndx=1, binding=STB_LOCAL)
    module.add_relocation(".text", Relocation(8, module.add_symbol("elsewhere"), 4, -4))
    path = tmp_path / "tiny.o"
    path.write_bytes(module.to_bytes())
    assert "elsewhere - 4" in readelf("--all", "--wide", "--lint", path)
