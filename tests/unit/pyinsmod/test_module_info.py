"""What `info` shows of a module; against modinfo(8) it is held in tests/host. Damaged input first."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.enums import ENUM_SH_TYPE_BASE

from pyinsmod.cli import main
from pyinsmod.cli.info import lines
from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import ModuleImage
from pyinsmod.module_info import GPL_COMPATIBLE, ModuleInfo, module_info, parameters_in
from pyinsmod.section_words import TYPES, flag_letters, section_type

BuildModule = Callable[..., bytes]
MARKER = b"~Module signature appended~\n"


def info_of(content: bytes) -> ModuleInfo:
    return module_info(ModuleImage(content), "m.ko", len(content))


def with_modinfo(build_module: BuildModule, *entries: bytes) -> ModuleInfo:
    """Return a module's facts with these entries in place of those the builder writes."""
    text = b"\0".join(entries) + b"\0"
    built = build_module(vermagic="x" * len(text))
    section = ModuleImage(built).find_section(".modinfo")
    assert section is not None
    return info_of(built[: section.offset] + text.ljust(section.size, b"\0") + built[section.offset + section.size :])


@pytest.mark.parametrize("content", [b"", b"hello", b"\x7fELF" + b"\0" * 100, b"\x7fELF" + b"\xff" * 100])
def test_what_is_no_module_is_one_clear_line(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(content)
    assert main(["info", str(path)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"pyinsmod: {path}: ")


@pytest.mark.parametrize(("name", "words"), [("missing.ko", "no such file"), (".", "a folder")])
def test_what_cannot_be_read_is_one_clear_line(
    name: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", str(tmp_path / name)]) == 1
    assert words in capsys.readouterr().err


def test_wrong_usage_is_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 2
    assert capsys.readouterr().err.startswith("pyinsmod: ")


def test_a_damaged_section_is_said(build_module: BuildModule) -> None:
    with pytest.raises(MalformedModule):
        info_of(build_module()[:-1])


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (struct.pack(">BBBBB3sI", 0, 0, 1, 0, 0, b"", 4) + MARKER, "of type 1, not PKCS#7"),
        (b"junk" + struct.pack(">BBBBB3sI", 0, 0, 2, 0, 0, b"", 4) + MARKER, "is damaged"),
        (struct.pack(">BBBBB3sI", 0, 0, 2, 0, 0, b"", 2**31) + MARKER, "does not fit into the file"),
    ],
)
def test_a_damaged_signature_is_said_and_the_rest_is_shown(build_module: BuildModule, tail: bytes, words: str) -> None:
    info = info_of(build_module() + tail)
    assert info.signature is not None
    assert words in (info.signature.damaged or "")
    assert info.registered_name == "hello"


def test_fields_keep_their_order_and_repetition(build_module: BuildModule) -> None:
    info = with_modinfo(build_module, b"alias=b", b"license=GPL v2", b"alias=a", b"alias=b", b"odd", b"depends=x,y")
    assert info.fields == (
        *(("alias", "b"), ("license", "GPL v2"), ("alias", "a"), ("alias", "b")),
        *(("odd", ""), ("depends", "x,y")),
    )
    assert info.all("alias") == ("b", "a", "b")
    assert info.depends == ("x", "y")
    assert (info.licence, info.gpl_compatible) == ("GPL v2", True)


def test_of_a_repeated_key_the_first_counts(build_module: BuildModule) -> None:
    info = with_modinfo(build_module, b"license=Proprietary", b"license=GPL")
    assert (info.licence, info.gpl_compatible) == ("Proprietary", False)


def test_without_a_licence_it_is_unspecified(build_module: BuildModule) -> None:
    info = with_modinfo(build_module, b"name=hello")
    assert (info.licence, info.gpl_compatible) == ("unspecified", False)
    assert "GPL and additional rights" in GPL_COMPATIBLE


def test_parameters_are_joined_in_the_order_of_the_source() -> None:
    fields = (("parmtype", "b:int"), ("parm", "b:the second"), ("parmtype", "a:charp"), ("parm", "no colon"))
    assert [tuple(each) for each in parameters_in(fields)] == [("a", "charp", None), ("b", "int", "the second")]


def test_imports_are_marked_weak_and_have_their_versions(build_module: BuildModule) -> None:
    names = b"a\0b\0"
    extended = [("__version_ext_crcs", 1, 2, struct.pack("<II", 7, 8)), ("__version_ext_names", 1, 2, names)]
    info = info_of(build_module(undefined=["a", "x"], weak=["b"], versions={"x": 9}, extra=extended))
    assert [tuple(each) for each in info.imports] == [("a", False, 7), ("x", False, 9), ("b", True, 8)]


def test_json_is_one_object_with_everything(
    build_module: BuildModule, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(build_module(undefined=["_printk"], versions={}))
    assert main(["info", "--json", str(path)]) == 0
    out, err = capsys.readouterr()
    info = json.loads(out)
    assert err == ""
    assert info["schema"] == 1
    assert (info["file"], info["registered_name"], info["name"], info["machine"]) == (
        str(path),
        "hello",
        "hello",
        "x86_64",
    )
    assert info["imports"] == [{"name": "_printk", "weak": False, "crc": None}]
    assert {"name": ".modinfo", "type": "PROGBITS", "flags": "A"}.items() <= info["sections"][0].items()
    assert not any(info[fact] for fact in ("btf", "has_init", "has_exit", "signature"))


def test_text_is_escaped_and_long_values_are_cut(build_module: BuildModule) -> None:
    info = with_modinfo(build_module, b"description=\x1b[2J" + b"d" * 1_000_000, b"license=a\nb", b"na\x07me=x")
    text = list(lines(info))
    assert all(line.isprintable() and len(line) < 3000 for line in text)
    assert any(line.startswith("description:  \\x1b[2Jddd") and "characters more" in line for line in text)


def test_of_a_thousand_aliases_the_text_shows_some(build_module: BuildModule) -> None:
    text = list(lines(with_modinfo(build_module, *(b"alias=%d" % number for number in range(1000)))))
    assert sum(line.startswith("alias:") for line in text) == 11
    assert "… and 990 more" in "\n".join(text)


def test_two_names_are_both_shown(build_module: BuildModule) -> None:
    info = info_of(build_module().replace(b"name=hello\0", b"name=other\0"))
    assert "name:         registered as 'hello', 'other' in .modinfo" in list(lines(info))


def test_types_and_flags_are_named_as_the_elf_standard_does() -> None:
    standard = {
        number: name.removeprefix("SHT_") for name, number in ENUM_SH_TYPE_BASE.items() if isinstance(number, int)
    }
    common = set(standard) & set(range(18))
    assert {number: TYPES[number] for number in common} == {number: standard[number] for number in common}
    flags = SH_FLAGS.SHF_WRITE | SH_FLAGS.SHF_ALLOC | SH_FLAGS.SHF_EXECINSTR | SH_FLAGS.SHF_MERGE | SH_FLAGS.SHF_STRINGS
    assert flag_letters(flags) == "WAXMS"
    assert flag_letters(2 | 1 << 20) == "A+0x100000"
    assert section_type(0x6FFFFFFF) == "0x6fffffff"
