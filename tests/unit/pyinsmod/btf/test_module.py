"""A module's BTF: what the kernel says to its types, header and strings.

The expected errnos are what a 7.2 kernel built without MODULE_ALLOW_BTF_MISMATCH answered when it was given these very
types in the .BTF of a real module, following on its own BTF instead of the small base of these tests.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable, Sequence

import pytest

from pyinsmod.btf.base import BaseBtf
from pyinsmod.btf.header import ENOTSUPP, BtfFault, Dialect, Unchecked
from pyinsmod.btf.module import check_module_btf, skim_module_btf
from tests.unit.pyinsmod.btf.built_btf import (
    ALL,
    ARRAY,
    BASE,
    CONST,
    DATASEC,
    DECL_TAG,
    DISTILLED,
    END,
    ENUM,
    ENUM64,
    FINE,
    FLAG,
    FLOAT,
    FUNC,
    FUNC_PROTO,
    FWD,
    HERE,
    INT,
    LONG,
    NEWEST,
    ODD,
    OLDER,
    OWN_STRINGS,
    PTR,
    STRUCT,
    TOO_LONG,
    TYPE_TAG,
    TYPEDEF,
    UNION,
    VAR,
    Place,
    btf,
    info,
)


def answer(data: bytes, dialect: Dialect = NEWEST, distilled: bytes | None = None, vmlinux: bytes = BASE) -> int:
    """Return the errno of what is wrong with a module's BTF, 0 for nothing."""
    try:
        check_module_btf(data, distilled, BaseBtf(vmlinux), dialect)
    except BtfFault as fault:
        return fault.errno
    return 0


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
