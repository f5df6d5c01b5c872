"""BTF: the size of a struct in it, and what a kernel says to a module's.

The expected errnos are what a 7.2 kernel built without MODULE_ALLOW_BTF_MISMATCH answered when it was given these very
types in the .BTF of a real module, following on its own BTF instead of the small base of these tests.
"""

from __future__ import annotations

import errno
import pickle
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from pyinsmod.btf import struct_size
from pyinsmod.btf.base import BaseBtf, BaseBtfInFile, Figures, base_in, base_of
from pyinsmod.btf.header import ENOTSUPP, BtfFault, Dialect, Unchecked
from pyinsmod.btf.module import check_module_btf, skim_module_btf
from pyinsmod.checks.btf import check_btf
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(1, 12)
FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)
FLAG = 1 << 31
ALL = 0xFFFFFFFF

NEWEST = Dialect(layout=True, masked_info=False, tags_first=False)
OLDER = Dialect()

OWN_STRINGS = b"x\0is.fine_9\0not fine\0" + b"l" * 512 + b"\0" + b"m" * 513 + b"\0"
FINE, ODD, LONG, TOO_LONG, END = 2, 12, 21, 534, len(OWN_STRINGS)


class Place(NamedTuple):
    """Where a module's own strings and types begin, behind those of its base."""

    strings: int
    types: int


def info(kind: int, vlen: int = 0, flag: int = 0) -> int:
    return flag | kind << 24 | vlen


def btf(words: Sequence[int], strings: bytes, extra: bytes = b"", **fields: int) -> bytes:
    """Return BTF with these types and strings; `extra` lengthens the header, `fields` replaces what it says."""
    types = struct.pack(f"<{len(words)}I", *words)
    header = {
        "magic": 0xEB9F,
        "version": 1,
        "flags": 0,
        "length": 24 + len(extra),
        "types_at": 0,
        "types_length": len(types),
        "strings_at": len(types),
        "strings_length": len(strings),
    }
    return struct.pack("<HBBIIIII", *{**header, **fields}.values()) + extra + types + strings


BASE_STRINGS = b"\0int\0pair\0a\0b\0module\0"
# An int, a struct of two ints, and a const int.
BASE_TYPES = [1, info(INT), 4, 0x01000020, 5, info(STRUCT, 2), 8, 10, 1, 0, 12, 1, 32, 0, info(CONST), 1]
BASE = btf(BASE_TYPES, BASE_STRINGS)
HERE = Place(len(BASE_STRINGS), 4)


def answer(data: bytes, dialect: Dialect = NEWEST, distilled: bytes | None = None, vmlinux: bytes = BASE) -> int:
    """Return the errno of what is wrong with a module's BTF, 0 for nothing."""
    try:
        check_module_btf(data, distilled, BaseBtf(vmlinux), dialect)
    except BtfFault as fault:
        return fault.errno
    return 0


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


# --- a module's types: (what, the words of its types, the errno)

Words = Callable[[Place], Sequence[int]] | Sequence[int]
TYPES: list[tuple[str, Words, int]] = [
    ("nothing at all", [], 0),
    ("a pointer to the base", [0, info(PTR), 1], 0),
    ("a pointer to nowhere: types are not followed", lambda at: [0, info(PTR), at.types + 99], 0),
    ("a pointer with a name", lambda at: [at.strings, info(PTR), 1], errno.EINVAL),
    ("a pointer with elements", [0, info(PTR, 1), 1], errno.EINVAL),
    ("a pointer with kind_flag", [0, info(PTR, 0, FLAG), 1], errno.EINVAL),
    ("a type number too large for any BTF", [0, info(PTR), 0x100000], errno.EINVAL),
    ("kind 0", [0, 0, 1], errno.EINVAL),
    ("kind 20", [0, info(20), 1], errno.EINVAL),
    ("a type cut off", [0, info(PTR)], errno.EINVAL),
    ("an int cut off", lambda at: [at.strings, info(INT), 4], errno.EINVAL),
    ("a struct cut off", [0, info(STRUCT, 2), 8, 0, 1, 0], errno.EINVAL),
    ("a name behind the strings", lambda at: [at.strings + END, info(INT), 4, 32], errno.EINVAL),
    ("a name past every limit", [0x1000000, info(INT), 4, 32], errno.EINVAL),
    ("an int", lambda at: [at.strings, info(INT), 4, 32], 0),
    ("an int with any name", lambda at: [at.strings + ODD, info(INT), 4, 32], 0),
    ("an int of 129 bits", [0, info(INT), 32, 129], errno.EINVAL),
    ("an int with more bits than bytes", [0, info(INT), 4, 33], errno.EINVAL),
    ("an int of strange encoding", [0, info(INT), 4, 0x08000020], ENOTSUPP),
    ("an int of two encodings", [0, info(INT), 4, 0x03000020], ENOTSUPP),
    ("an int with unknown bits", [0, info(INT), 4, 0x10000020], errno.EINVAL),
    ("an array", [0, info(ARRAY), 0, 1, 1, 3], 0),
    ("an array of void", [0, info(ARRAY), 0, 0, 1, 3], errno.EINVAL),
    ("an array indexed by void", [0, info(ARRAY), 0, 1, 0, 3], errno.EINVAL),
    ("an array with a size", [0, info(ARRAY), 4, 1, 1, 3], errno.EINVAL),
    ("a struct", lambda at: [at.strings, info(STRUCT, 1), 4, at.strings + FINE, 1, 0], 0),
    ("a name with a space in it", lambda at: [at.strings + ODD, info(STRUCT), 4], errno.EINVAL),
    ("a name of 512 letters", lambda at: [at.strings + LONG, info(STRUCT), 4], 0),
    ("a name of 513 letters", lambda at: [at.strings + TOO_LONG, info(STRUCT), 4], errno.EINVAL),
    ("a member of void", [0, info(STRUCT, 1), 4, 0, 0, 0], errno.EINVAL),
    ("members out of order", [0, info(STRUCT, 2), 8, 0, 1, 32, 0, 1, 0], errno.EINVAL),
    ("a member behind the struct", [0, info(STRUCT, 1), 4, 0, 1, 33], errno.EINVAL),
    ("a member at the very end", [0, info(STRUCT, 1), 4, 0, 1, 32], 0),
    ("a bit field", [0, info(STRUCT, 1, FLAG), 4, 0, 1, 0x05000008], 0),
    ("a member's odd name", lambda at: [0, info(STRUCT, 1), 4, at.strings + ODD, 1, 0], errno.EINVAL),
    ("a union", [0, info(UNION, 2), 4, 0, 1, 0, 0, 1, 0], 0),
    ("a union with a member not at 0", [0, info(UNION, 1), 4, 0, 1, 8], errno.EINVAL),
    ("an enum", lambda at: [0, info(ENUM, 1), 4, at.strings, 7], 0),
    ("an enum of 3 bytes", [0, info(ENUM), 3], errno.EINVAL),
    ("an enum value without a name", [0, info(ENUM, 1), 4, 0, 7], errno.EINVAL),
    ("an enum of 64 bits", lambda at: [0, info(ENUM64, 1, FLAG), 8, at.strings, 7, 0], 0),
    ("an enum of 16 bytes", [0, info(ENUM64), 16], errno.EINVAL),
    ("a forward declaration", lambda at: [at.strings, info(FWD, 0, FLAG), 0], 0),
    ("a forward declaration of nothing", [0, info(FWD), 0], errno.EINVAL),
    ("a forward declaration with a type", lambda at: [at.strings, info(FWD), 1], errno.EINVAL),
    ("a typedef", lambda at: [at.strings, info(TYPEDEF), 1], 0),
    ("a typedef without a name", [0, info(TYPEDEF), 1], errno.EINVAL),
    ("a const with a name", lambda at: [at.strings, info(CONST), 1], errno.EINVAL),
    ("a function", lambda at: [0, info(FUNC_PROTO), 0, at.strings, info(FUNC, 1), at.types], 0),
    ("a function of no prototype: types are not followed", lambda at: [at.strings, info(FUNC), 1], 0),
    ("a function of extern linkage", lambda at: [at.strings, info(FUNC, 2), 1], errno.EINVAL),
    ("a prototype with a name", lambda at: [at.strings, info(FUNC_PROTO), 0], errno.EINVAL),
    ("a parameter's name is not looked at", [0, info(FUNC_PROTO, 1), 0, ALL, 1], 0),
    ("a variable", lambda at: [at.strings, info(VAR), 1, 1], 0),
    ("a variable of extern linkage", lambda at: [at.strings, info(VAR), 1, 2], errno.EINVAL),
    ("a variable of void", lambda at: [at.strings, info(VAR), 0, 1], errno.EINVAL),
    ("a section", lambda at: [at.strings + ODD, info(DATASEC, 2), 8, 1, 0, 4, 1, 4, 4], 0),
    ("a section of no size", lambda at: [at.strings, info(DATASEC), 0], errno.EINVAL),
    ("variables that overlap", lambda at: [at.strings, info(DATASEC, 2), 8, 1, 0, 4, 1, 3, 4], errno.EINVAL),
    ("a variable of no size", lambda at: [at.strings, info(DATASEC, 1), 8, 1, 0, 0], errno.EINVAL),
    ("a variable past its section", lambda at: [at.strings, info(DATASEC, 1), 8, 1, 6, 4], errno.EINVAL),
    ("a float", lambda at: [at.strings, info(FLOAT), 12], 0),
    ("a float of 3 bytes", lambda at: [at.strings, info(FLOAT), 3], errno.EINVAL),
    ("a tag of a declaration", lambda at: [at.strings, info(DECL_TAG, 0, FLAG), 1, ALL], 0),
    ("a tag of component -2", lambda at: [at.strings, info(DECL_TAG), 1, ALL - 1], errno.EINVAL),
    ("a tag without a name", [0, info(DECL_TAG), 1, ALL], errno.EINVAL),
    ("a type tag", lambda at: [at.strings, info(TYPE_TAG, 0, FLAG), 1], 0),
    ("a type tag without a name", [0, info(TYPE_TAG), 1], errno.EINVAL),
    ("a type tag behind a const", lambda at: [0, info(CONST), at.types + 1, at.strings, info(TYPE_TAG), 1], 0),
    ("a const of nowhere", lambda at: [0, info(CONST), at.types + 1], errno.EINVAL),
    ("a const of itself", lambda at: [0, info(CONST), at.types], errno.ELOOP),
    ("two consts of each other", lambda at: [0, info(CONST), at.types + 1, 0, info(CONST), at.types], errno.ELOOP),
    ("32 consts", lambda at: [*chain(at, 31), 0, info(CONST), 0], 0),
    ("33 consts", lambda at: [*chain(at, 32), 0, info(CONST), 0], errno.ELOOP),
    ("31 consts of a const of the base", lambda at: [*chain(at, 30), 0, info(CONST), 3], 0),
    ("32 consts of a const of the base", lambda at: [*chain(at, 31), 0, info(CONST), 3], errno.ELOOP),
    ("32 consts of a struct of the base", lambda at: [*chain(at, 31), 0, info(CONST), 2], 0),
    ("the last of a chain comes first", lambda at: [0, info(CONST), 1, *chain(at, 40, forward=False)], 0),
]


def words_at(place: Place, words: Words) -> Sequence[int]:
    return words(place) if callable(words) else words


def chain(at: Place, length: int, *, forward: bool = True) -> list[int]:
    """Return consts of the type that comes next, or of the one before."""
    words: list[int] = []
    for number in range(length):
        words += [0, info(CONST), at.types + number + (1 if forward else 0)]
    return words


@pytest.mark.parametrize(("words", "expected"), [case[1:] for case in TYPES], ids=[case[0] for case in TYPES])
def test_types_are_judged_as_the_kernel_does(words: Words, expected: int) -> None:
    assert answer(btf(words_at(HERE, words), OWN_STRINGS)) == expected


# --- a module's header and strings: (what, the whole BTF, the errno)

HEADERS: list[tuple[str, bytes, int]] = [
    ("cut to 7 bytes", btf([], OWN_STRINGS)[:7], errno.EINVAL),
    ("longer than all of it", btf([], OWN_STRINGS, length=9999), errno.EINVAL),
    ("another magic", btf([], OWN_STRINGS, magic=0x9FEB), errno.EINVAL),
    ("version 2", btf([], OWN_STRINGS, version=2), ENOTSUPP),
    ("flags", btf([], OWN_STRINGS, flags=1), ENOTSUPP),
    ("a gap", btf([], b"\0" + OWN_STRINGS, strings_at=1, strings_length=len(OWN_STRINGS)), errno.EINVAL),
    ("an overlap", btf([0, info(PTR), 1], OWN_STRINGS, strings_at=8), errno.EINVAL),
    ("something behind the strings", btf([], OWN_STRINGS) + b"\0", errno.EINVAL),
    ("something behind that is counted in", btf([], OWN_STRINGS + b"z"), errno.EINVAL),
    ("no strings", btf([0, info(PTR), 1], b""), 0),
    ("nothing but a header", btf([], b""), 0),
    ("a header of 8 bytes, and nothing else", struct.pack("<HBBI", 0xEB9F, 1, 0, 8), 0),
    ("types behind the strings", btf([], OWN_STRINGS, types_at=len(OWN_STRINGS), strings_at=0), 0),
    ("zeros where the layout would be", btf([], OWN_STRINGS, b"\0" * 8), 0),
    ("zeros where nothing is known", btf([], OWN_STRINGS, b"\0" * 16), 0),
    ("something where nothing is known", btf([], OWN_STRINGS, b"\0" * 8 + b"\1\0\0\0"), errno.E2BIG),
    ("a layout", btf([], OWN_STRINGS, struct.pack("<II", END, 4)) + b"\0\0\0\0", 0),
    ("a layout that overlaps", btf([], OWN_STRINGS, struct.pack("<II", END - 1, 4)) + b"\0\0\0\0", errno.EINVAL),
]


@pytest.mark.parametrize(("data", "expected"), [case[1:] for case in HEADERS], ids=[case[0] for case in HEADERS])
def test_headers_are_judged_as_the_kernel_does(data: bytes, expected: int) -> None:
    assert answer(data) == expected


# --- what other kernels do otherwise (source of 6.1 and 6.12: they print and go on)


@pytest.mark.parametrize(
    ("words", "older"),
    [
        ([0, info(STRUCT, 1 << 16), 4], errno.EINVAL),
        ([HERE.strings, info(TYPE_TAG, 0, FLAG), 1], errno.EINVAL),
        ([HERE.strings, info(DECL_TAG, 0, FLAG), 1, ALL], errno.EINVAL),
        ([0, info(CONST), 5, HERE.strings, info(TYPE_TAG), 1], errno.EINVAL),
        ([HERE.strings, info(TYPE_TAG), 5, 0, info(CONST), 1], 0),
    ],
)
def test_older_kernels_know_less(words: Sequence[int], older: int) -> None:
    assert answer(btf(words, OWN_STRINGS), OLDER) == older


def test_a_kernel_without_layouts_does_not_take_one() -> None:
    assert answer(btf([], OWN_STRINGS, struct.pack("<II", END, 4)) + b"\0\0\0\0", OLDER) == errno.E2BIG


def test_without_the_kernels_btf_names_and_chains_are_taken_for_good() -> None:
    odd = [12345, info(STRUCT, 1), 4, 99999, 1, 0, 0, info(CONST), 999]
    check_module_btf(btf(odd, b""), None, None, NEWEST)
    with pytest.raises(BtfFault, match="its type 1, ENUM: its size is 3"):
        check_module_btf(btf([0, info(ENUM), 3], b""), None, None, NEWEST)


# --- .BTF.base

DISTILLED = btf([1, info(INT), 4, 0x01000020, 5, info(STRUCT), 8], b"\0int\0pair\0")
BEHIND = Place(10, 3)


def relocated(own: Sequence[int], distilled: bytes = DISTILLED) -> int:
    return answer(btf(own, b"x\0"), distilled=distilled)


def test_distilled_types_are_found_by_their_names() -> None:
    assert relocated([0, info(PTR), 2, BEHIND.strings, info(STRUCT, 1), 8, 1, 2, 0]) == 0


@pytest.mark.parametrize(
    ("types", "strings", "expected"),
    [
        ([1, info(STRUCT), 4], b"\0missing\0", errno.EINVAL),
        ([1, info(INT), 8, 0x01000040], b"\0int\0", errno.EINVAL),
        ([1, info(INT), 4, 0x00000020], b"\0int\0", errno.EINVAL),
        ([1, info(STRUCT), 4], b"\0pair\0", 0),
        ([1, info(FWD), 0], b"\0pair\0", 0),
        ([0, info(STRUCT), 8], b"\0pair\0", errno.EINVAL),
        ([0, info(PTR), 0], b"\0pair\0", errno.EINVAL),
        ([1, info(INT), 4, 0x01000020], b"int\0", errno.EINVAL),
        ([], b"", errno.EINVAL),
    ],
)
def test_a_distilled_base_has_to_fit_the_kernel(types: Sequence[int], strings: bytes, expected: int) -> None:
    assert answer(btf([], b""), distilled=btf(types, strings)) == expected


def test_a_struct_inside_another_has_to_have_the_kernels_size() -> None:
    smaller = btf([1, info(STRUCT), 4], b"\0pair\0")
    assert relocated([0, info(PTR), 1], smaller) == 0
    assert relocated([0, info(STRUCT, 1), 8, 0, 1, 0], smaller) == errno.EINVAL


def test_a_name_of_the_base_has_to_be_that_of_a_type() -> None:
    assert relocated([7, info(STRUCT), 8]) == errno.ENOENT


def test_a_member_of_no_type_is_a_null_pointer_to_the_kernel() -> None:
    with pytest.raises(Unchecked) as caught:
        relocated([0, info(STRUCT, 1), 8, 0, 99, 0])
    assert caught.value.fatal
    with pytest.raises(Unchecked) as caught:
        relocated([0, info(PTR), 99])
    assert not caught.value.fatal


# --- a look at the shape only


@pytest.mark.parametrize("case", [case for case in TYPES if case[2] == 0], ids=lambda case: case[0])
def test_the_shape_of_good_btf_is_good(case: tuple[str, Words, int]) -> None:
    skim_module_btf(btf(words_at(HERE, case[1]), OWN_STRINGS), OLDER)


@pytest.mark.parametrize("words", [[0, info(PTR)], [0, info(31), 1], [0, info(STRUCT, 1), 8], [0, 0, 0]])
def test_types_that_do_not_fill_their_section_are_seen(words: Sequence[int]) -> None:
    with pytest.raises(BtfFault, match="fill"):
        skim_module_btf(btf(words, OWN_STRINGS), OLDER)


# --- the check


def found(build: BuildModule, facts: KernelFacts, own: bytes, base: bytes | None = None) -> list[Finding]:
    sections = [(".BTF", 1, 0, own)] + ([(".BTF.base", 1, 0, base)] if base is not None else [])
    return list(check_btf(ModuleImage(build(extra=sections)), facts, LoadRequest()))


REFUSING = {
    "module-btf": True,
    "btf-mismatch-tolerated": False,
    "btf-layout": True,
    "btf-masked-info": False,
    "btf-chains": True,
    "btf-tags-first": False,
    "btf-distilled-base": True,
}
TOLERATING = {**REFUSING, "btf-mismatch-tolerated": True, "btf-layout": False, "btf-masked-info": True}
BAD = btf([0, info(ENUM), 3], OWN_STRINGS)
GOOD = btf([0, info(PTR), 1], OWN_STRINGS)


def facts_with(make: MakeFacts, features: dict[str, bool] | None, **more: object) -> KernelFacts:
    return make(features=Fact(features, "test"), btf=Fact(BASE, "test"), **more)


def test_a_kernel_that_allows_no_mismatch_refuses(build_module: BuildModule, make_facts: MakeFacts) -> None:
    [finding] = found(build_module, facts_with(make_facts, REFUSING), BAD)
    assert (finding.severity, finding.errno, finding.step) == ("refuses", "EINVAL", 11)
    assert finding.log == "failed to validate module [hello] BTF: -22"
    assert "its type 1, ENUM: its size is 3" in finding.summary


def test_an_errno_that_only_the_kernel_has_a_name_for(build_module: BuildModule, make_facts: MakeFacts) -> None:
    [finding] = found(build_module, facts_with(make_facts, REFUSING), btf([], OWN_STRINGS, version=2))
    assert finding.errno == "errno 524"


@pytest.mark.parametrize("own", [b"", GOOD])
def test_nothing_is_said_of_good_btf_or_none(build_module: BuildModule, make_facts: MakeFacts, own: bytes) -> None:
    assert not found(build_module, facts_with(make_facts, REFUSING), own)
    assert not found(build_module, facts_with(make_facts, None), own)
    assert not found(build_module, make_facts(features=Fact(REFUSING, "test")), own)


def test_a_kernel_that_allows_mismatches_is_only_warned_of(build_module: BuildModule, make_facts: MakeFacts) -> None:
    [finding] = found(build_module, facts_with(make_facts, TOLERATING), btf([0, info(31), 3], OWN_STRINGS))
    assert (finding.severity, finding.errno) == ("warns", None)
    assert finding.log is not None
    assert finding.log.startswith("Kernel module BTF mismatch detected")


def test_the_configuration_says_what_is_allowed(build_module: BuildModule, make_facts: MakeFacts) -> None:
    older = {**TOLERATING, "btf-mismatch-tolerated": False}
    for config, severity in (({"MODULE_ALLOW_BTF_MISMATCH": "y"}, "warns"), ({}, "refuses"), (None, "cannot-tell")):
        facts = facts_with(make_facts, older, config=Fact(config, "test"))
        assert [finding.severity for finding in found(build_module, facts, b"\0" * 40)] == [severity]


def test_a_kernel_without_module_btf_does_not_look(build_module: BuildModule, make_facts: MakeFacts) -> None:
    assert not found(build_module, facts_with(make_facts, {**REFUSING, "module-btf": False}), BAD)


def test_a_base_may_bring_down_a_kernel_that_tolerates_all_else(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    own = btf([0, info(STRUCT, 1), 8, 0, 99, 0], b"x\0")
    [finding] = found(build_module, facts_with(make_facts, TOLERATING), own, DISTILLED)
    assert (finding.severity, finding.errno) == ("crashes", None)


def test_a_kernel_that_does_not_look_for_a_base_takes_the_types_for_its_own(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    facts = facts_with(make_facts, {**REFUSING, "btf-distilled-base": False})
    assert not found(build_module, facts, GOOD, b"no BTF")
