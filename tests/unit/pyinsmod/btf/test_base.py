"""The kernel's own BTF: sizes of structs in it, and a base of which only figures are known."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from pyinsmod.btf import struct_size
from pyinsmod.btf.base import BaseBtf, BaseBtfInFile, Figures, base_in, base_of
from pyinsmod.btf.module import check_module_btf
from pyinsmod.errors import MalformedModule
from tests.unit.pyinsmod.btf.built_btf import (
    ARRAY,
    BASE,
    BASE_STRINGS,
    BASE_TYPES,
    CONST,
    HERE,
    INT,
    NEWEST,
    OWN_STRINGS,
    PTR,
    STRUCT,
    btf,
    info,
)

# --- the size of a struct


def test_a_struct_is_found_by_its_name_wherever_it_stands() -> None:
    assert struct_size(BASE, "pair") == 8


@pytest.mark.parametrize("name", ["int", "a", "nosuch", ""])
def test_what_is_no_struct_has_no_size(name: str) -> None:
    assert struct_size(BASE, name) is None


@pytest.mark.parametrize("damaged", [b"", BASE[:20], b"\0" + BASE[1:], BASE[:40], BASE[:24]])
def test_damaged_btf_has_no_sizes(damaged: bytes) -> None:
    assert struct_size(damaged, "pair") is None


def test_the_offset_of_a_name_standing_elsewhere_is_not_taken_for_a_struct() -> None:
    strings = b"\0pair\0"
    decoys = [0, info(ARRAY), 0, 1, info(STRUCT, 1), 99, 1, info(STRUCT, 1), 8, 77, 1, 0]
    assert struct_size(btf([*decoys, 1, info(STRUCT, 1), 16, 0, 1, 0], strings), "pair") == 16


def test_two_structs_of_one_name_have_no_one_size() -> None:
    twice = [1, info(STRUCT, 1), 4, 0, 1, 0, 1, info(STRUCT, 1), 8, 0, 1, 0]
    assert struct_size(btf(twice, b"\0pair\0"), "pair") is None


def test_the_first_struct_that_begins_with_the_members_it_is_known_by_is_taken() -> None:
    """One of another size has other members, or too few."""
    strings = b"\0pair\0one\0two\0"
    other = [1, info(STRUCT, 2), 4, 10, 1, 0, 6, 1, 8]
    short = [1, info(STRUCT, 1), 2, 6, 1, 0]
    right = [1, info(STRUCT, 2), 8, 6, 1, 0, 10, 1, 32]
    later = [1, info(STRUCT, 2), 16, 6, 1, 0, 10, 1, 64]
    assert struct_size(btf([*other, *short, *right, *later], strings), "pair", ("one", "two")) == 8
    assert struct_size(btf([*other, *short, *right, *later], strings), "pair") is None
    assert struct_size(btf(other, strings), "pair", ("one", "two")) == 4  # it is the only one


def test_the_types_of_a_base_are_counted_with_void() -> None:
    base = base_of(BASE)
    assert base is not None
    assert base.count == len(base.offsets) == BaseBtf(BASE).count == HERE.types
    assert [base.kind(number) for number in range(HERE.types)] == [0, INT, STRUCT, CONST]


@pytest.mark.parametrize("size", [8, 12, 24, 28, 1 << 16])
def test_types_are_counted_piece_by_piece_where_they_stand(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """Pieces end within types, before them, and between a name and what says how long its type is."""
    raw = btf(BASE_TYPES * 5, BASE_STRINGS)
    monkeypatch.setattr("pyinsmod.btf.base.PIECE", size)
    base = base_in(raw)
    assert base is not None
    assert base.count == BaseBtf(raw).count == 5 * (HERE.types - 1) + 1
    assert base.string(5, 9) == b"pair"
    assert base.raw == raw


def test_types_that_end_in_the_middle_cannot_be_counted() -> None:
    base = base_in(btf(BASE_TYPES, b"")[: -4 * len(BASE_TYPES)])
    assert base is not None
    with pytest.raises(MalformedModule, match="in the middle"):
        _ = base.count


@pytest.mark.parametrize("raw", [b"", b"\x9f\xeb", b"\0" * 64])
def test_what_does_not_begin_like_a_base_is_none(raw: bytes) -> None:
    assert base_in(raw) is None


# --- a base of which the figures are known, and the rest is in a file


def in_file(folder: Path, raw: bytes = BASE) -> BaseBtfInFile:
    file = folder / "vmlinux"
    file.write_bytes(raw)
    counted = BaseBtf(raw)
    assert counted.count == HERE.types
    return BaseBtfInFile(str(file), Figures(*counted.to_plain()))


def test_of_a_base_in_a_file_only_strings_are_read(tmp_path: Path) -> None:
    base = in_file(tmp_path)
    (tmp_path / "vmlinux").write_bytes(BASE[:24] + bytes(4 * len(BASE_TYPES)) + BASE_STRINGS)  # no type is looked at
    assert base.count == HERE.types
    assert [base.string(at, 9) for at in (0, 1, 5, 14)] == [b"", b"int", b"pair", b"module"]


def test_a_modules_chains_end_at_the_base_unread(tmp_path: Path) -> None:
    """What a kernel's own types are does not matter to one that does not look at tags: there are 100,000 of them."""
    base = in_file(tmp_path)
    (tmp_path / "vmlinux").write_bytes(BASE[:24] + bytes(4 * len(BASE_TYPES)) + BASE_STRINGS)
    own = btf([0, info(CONST), 3, 0, info(PTR), HERE.types], OWN_STRINGS)
    check_module_btf(own, None, base, NEWEST)


@pytest.mark.parametrize("length", [0, 62, 63, 64, 512, 513])
def test_strings_of_a_base_are_as_long_as_names_may_be(tmp_path: Path, length: int) -> None:
    raw = btf(BASE_TYPES, BASE_STRINGS + b"n" * length + b"\0" + b"beyond")
    expected = b"n" * length if length <= 512 else None
    assert BaseBtf(raw).string(len(BASE_STRINGS), 512) == expected
    assert in_file(tmp_path, raw).string(len(BASE_STRINGS), 512) == expected


def test_who_asks_for_types_gets_those_of_the_file(tmp_path: Path) -> None:
    base = in_file(tmp_path)
    assert [base.kind(number) for number in range(HERE.types)] == [0, INT, STRUCT, CONST]
    assert base.raw == BASE


def test_a_base_in_a_file_goes_along_whole(tmp_path: Path) -> None:
    packed = pickle.dumps(in_file(tmp_path))
    (tmp_path / "vmlinux").unlink()
    assert pickle.loads(packed).raw == BASE  # noqa: S301 - made in this test


def test_of_a_file_that_went_nothing_is_told(tmp_path: Path) -> None:
    base = in_file(tmp_path)
    (tmp_path / "vmlinux").unlink()
    for ask in (lambda: base.string(1, 9), lambda: base.kind(1)):
        with pytest.raises(MalformedModule, match="No such file"):
            ask()
