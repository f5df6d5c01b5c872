"""How the kernel takes a line of parameters apart, and what it answers to each value.

The expected errnos were seen on real kernels (5.10, 6.1, 6.12, 7.2) with the same values given to `softdog`.
"""

from __future__ import annotations

from errno import EINVAL, ENOSPC, ERANGE, EROFS

import pytest

from pyinsmod.parameter_values import Argument, Undecided, Words, answer, integer_answer, split_arguments, truth
from pyinsmod.parameters import KernelParameter

NEW, OLD = Words(True, True), Words(False, False)

# --- the line


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        (b"", []),
        (b" \t\n ", []),
        (b"a=1 b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"  a=1\n\tb", [(b"a", b"1"), (b"b", None)]),
        (b"a= b", [(b"a", b""), (b"b", None)]),
        (b"a = 1", [(b"a", None), (b"=", None), (b"1", None)]),
        (b"=5", [(b"=5", None)]),
        (b"a==1", [(b"a", b"=1")]),
        (b"==1", [(b"=", b"1")]),
        (b'a="1 2" b', [(b"a", b"1 2"), (b"b", None)]),
        (b'a=1" "2', [(b"a", b'1" "2')]),
        (b'"a=1 2" b', [(b"a", b"1 2"), (b"b", None)]),
        (b'"a b"', [(b"a b", None)]),
        (b'"a="1""', [(b"a", b'1"')]),
        (b'a="1 2', [(b"a", b"1 2")]),
        (b'a=1"', [(b"a", b'1"')]),
        (b'a="', [(b"a", b"")]),
        (b'"', [(b"", None)]),
        (b'""', [(b"", None)]),
        (b"a=1\xa0b=2", [(b"a", b"1"), (b"b", b"2")]),
    ],
)
def test_a_line_is_taken_apart_as_the_kernel_does(line: bytes, arguments: list[tuple[bytes, bytes | None]]) -> None:
    assert split_arguments(line)[:2] == ([Argument(*each) for each in arguments], b"")


def test_two_dashes_end_the_line() -> None:
    assert split_arguments(b"a=1 --  b=2 c") == ([Argument(b"a", b"1")], b"b=2 c", False)
    assert split_arguments(b"--=1 --x") == ([Argument(b"--", b"1"), Argument(b"--x", None)], b"", False)


@pytest.mark.parametrize(
    ("line", "lone"),
    [(b'"', True), (b'a "', True), (b'""', False), (b'a="b "', False), (b'-- "', False), (b'a="', False)],
)
def test_a_quote_alone_at_the_end_is_told(line: bytes, lone: bool) -> None:
    assert split_arguments(line).lone_quote is lone


def test_a_long_line_is_taken_apart_in_no_time() -> None:
    assert len(split_arguments(b'a="b" ' * 30_000)[0]) == 30_000
    assert len(split_arguments(b'"' * 200_001)[0]) == 1


# --- values


@pytest.mark.parametrize(
    ("value", "int_", "byte"),
    [
        (b"1", 0, 0),
        (b"", EINVAL, EINVAL),
        (b"abc", EINVAL, EINVAL),
        (b"1x", EINVAL, EINVAL),
        (b" 1", EINVAL, EINVAL),
        (b"1\n", 0, 0),
        (b"1\n\n", EINVAL, EINVAL),
        (b"+3", 0, 0),
        (b"-3", 0, EINVAL),
        (b"-0", 0, EINVAL),
        (b"-+3", EINVAL, EINVAL),
        (b"+-3", EINVAL, EINVAL),
        (b"-", EINVAL, EINVAL),
        (b"0x10", 0, 0),
        (b"0X1f", 0, 0),
        (b"0x", EINVAL, EINVAL),
        (b"0xg", EINVAL, EINVAL),
        (b"010", 0, 0),
        (b"08", EINVAL, EINVAL),
        (b"255", 0, 0),
        (b"256", 0, ERANGE),
        (b"2147483647", 0, ERANGE),
        (b"2147483648", ERANGE, ERANGE),
        (b"-2147483648", 0, EINVAL),
        (b"-2147483649", ERANGE, EINVAL),
        (b"18446744073709551615", ERANGE, ERANGE),
        (b"99999999999999999999x", ERANGE, ERANGE),
        (b"4294967296x", EINVAL, EINVAL),
        (b"0" * 100_000, 0, 0),
        (b"9" * 1_000_000, ERANGE, ERANGE),
    ],
)
def test_numbers(value: bytes, int_: int, byte: int) -> None:
    assert (integer_answer(value, 32, True), integer_answer(value, 8, False)) == (int_, byte)


def test_the_widest_numbers() -> None:
    assert integer_answer(b"18446744073709551615", 64, False) == 0
    assert integer_answer(b"18446744073709551616", 64, False) == ERANGE
    assert integer_answer(b"-9223372036854775808", 64, True) == 0
    assert integer_answer(b"-9223372036854775809", 64, True) == ERANGE


@pytest.mark.parametrize(
    ("value", "old", "new"),
    [
        *[(value, True, True) for value in (b"1", b"y", b"Y", b"yes", b"yellow", b"on", b"oN", b"10")],
        *[(value, False, False) for value in (b"0", b"n", b"N", b"no", b"off", b"oF", b"01")],
        *[(value, None, None) for value in (b"", b"2", b"x", b"o", b"ox", b" 1", b"-1", "“y”".encode())],
        *[(value, None, True) for value in (b"true", b"T", b"enable", b"E")],
        *[(value, None, False) for value in (b"false", b"F", b"disable", b"D")],
    ],
)
def test_booleans(value: bytes, old: bool | None, new: bool | None) -> None:
    assert (truth(value, OLD), truth(value, NEW)) == (old, new)


def test_a_word_that_is_known_only_to_some_kernels_is_left_undecided() -> None:
    with pytest.raises(Undecided):
        truth(b"true", Words(None, False))
    assert truth(b"yes", Words(None, None)) is True


@pytest.mark.parametrize(
    ("parameter", "value", "expected"),
    [
        (KernelParameter("p", "int"), None, EINVAL),
        (KernelParameter("p", "bool", needs_value=False), None, 0),
        (KernelParameter("p", "invbool"), None, EINVAL),
        (KernelParameter("p", None), b"1", None),
        (KernelParameter("p", None, needs_value=None), None, None),
        (KernelParameter("p", "charp"), b"a" * 1024, 0),
        (KernelParameter("p", "charp"), b"a" * 1025, ENOSPC),
        (KernelParameter("p", "string", room=4), b"abc", 0),
        (KernelParameter("p", "string", room=4), b"abcd", ENOSPC),
        (KernelParameter("p", "int", array_max=2), b"1,2", 0),
        (KernelParameter("p", "int", array_max=2), b"1,2,3", EINVAL),
        (KernelParameter("p", "int", array_max=2), b"1,", EINVAL),
        (KernelParameter("p", "int", array_max=2), b"1,99999999999,x", ERANGE),
        (KernelParameter("p", "charp", array_max=1), b"," + b"a" * 2000, EINVAL),
        (KernelParameter("p", None, array_max=2), b"1", None),
    ],
)
def test_set_functions(parameter: KernelParameter, value: bytes | None, expected: int | None) -> None:
    assert answer(parameter, value, NEW) == expected


def test_what_can_only_be_turned_on_cannot_be_turned_off() -> None:
    parameter = KernelParameter("p", "bool_enable_only", needs_value=False)
    assert answer(parameter, b"0", NEW) == 0
    assert answer(parameter, b"0", NEW, is_set=True) == EROFS
