"""A string of parameters as the kernel takes it apart, and what its set functions make of a value.

`next_arg` (lib/cmdline.c), `parse_args` and `param_set_*` (kernel/params.c), `kstrto*` (lib/kstrtox.c). It is done
with bytes, as there: the kernel's idea of a space is that of Latin-1, whatever the terminal wrote.
"""

from __future__ import annotations

import re
from errno import EINVAL, ENOSPC, ERANGE, EROFS
from typing import NamedTuple

from pyinsmod.parameters import KernelParameter

# `isspace` of lib/ctype.c; in UTF-8 its last one is the second half of letters such as à.
_SPACES = re.compile(rb"[\t-\r \xa0]+")
_UNQUOTED = re.compile(rb'(?:[^"\t-\r \xa0]+|"[^"]*(?:"|\Z))*')
_TO_QUOTE = re.compile(rb'[^"]*(?:"|\Z)')
_NUMBER = re.compile(rb"0[xX](?P<hex>[0-9a-fA-F]+)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*)")

LONGEST_CHARP = 1024
LONGEST_NUMBER = 24
_ULLONG_MAX = (1 << 64) - 1

# Type → bits and sign of what kstrto* must fit into.
INTEGERS = {
    "byte": (8, False),
    "short": (16, True),
    "ushort": (16, False),
    "int": (32, True),
    "uint": (32, False),
    "hexint": (32, False),
    "long": (64, True),
    "ulong": (64, False),
    "ullong": (64, False),
}
BOOLS = frozenset({"bool", "invbool", "bint", "bool_enable_only"})


class Argument(NamedTuple):
    """One argument; `value` is None where there is no equals sign."""

    name: bytes
    value: bytes | None


class Words(NamedTuple):
    """Which words a kernel takes for a boolean; None where that is not known.

    `true_false`: t, T, f, F (6.1, not 5.10); `enable_disable`: e, E, d, D (7.2, not 6.12).
    """

    true_false: bool | None
    enable_disable: bool | None


class Undecided(Exception):
    """Kernels differ in what they make of the value, and it is not known which sort this one is."""


class Line(NamedTuple):
    """A parameter string taken apart.

    `ignored` is what stands after `--`. `lone_quote` tells of a quote with nothing behind it at the very end, on which
    kernels before 6.0 read the byte 4 GiB further on.
    """

    arguments: list[Argument]
    ignored: bytes = b""
    lone_quote: bool = False


def split_arguments(line: bytes) -> Line:
    """Return the arguments of a parameter string, as `parse_args` comes to them."""
    arguments: list[Argument] = []
    lone_quote = False
    at = _after_spaces(line, 0)
    while at < len(line):
        lone_quote = at == len(line) - 1 and line.endswith(b'"')
        argument, at = _next(line, at)
        if argument == (b"--", None):
            return Line(arguments, line[at:])
        arguments.append(argument)
    return Line(arguments, lone_quote=lone_quote)


def _after_spaces(line: bytes, at: int) -> int:
    found = _SPACES.match(line, at)
    return found.end() if found else at


def _next(line: bytes, at: int) -> tuple[Argument, int]:
    """`next_arg`: return one argument, and where the next one begins. Quotes keep spaces, and cannot be escaped."""
    quoted = line.startswith(b'"', at)
    at += quoted
    end = at
    for pattern in (_TO_QUOTE, _UNQUOTED) if quoted else (_UNQUOTED,):
        found = pattern.match(line, end)
        end = found.end() if found else end
    return _taken_apart(line[at:end], quoted=quoted), _after_spaces(line, end)


def _taken_apart(word: bytes, *, quoted: bool) -> Argument:
    """Return name and value of a word; a quote before the word has been taken away already."""
    ends_quoted = word.endswith(b'"')
    # An equals sign at the very beginning is none to `next_arg`.
    equals = word.find(b"=", 1)
    if equals < 0:
        return Argument(word[:-1] if quoted and ends_quoted else word, None)
    value = word[equals + 1 :]
    opened = value.startswith(b'"')
    if opened:
        value = value[1:]
    if (opened or quoted) and ends_quoted:
        value = value[:-1]
    return Argument(word[:equals], value)


def answer(parameter: KernelParameter, value: bytes | None, words: Words, *, is_set: bool = False) -> int | None:
    """Return the errno that setting a parameter ends with, 0 for success.

    Args:
        parameter: the parameter.
        value: what stands after the equals sign; None where there is none.
        words: the words for booleans.
        is_set: whether an enable-only parameter is on already.

    Returns:
        None when only the module's own code knows.

    Raises:
        Undecided: it depends on a word that not every kernel knows.
    """
    if value is None:
        if parameter.needs_value is not False:
            return EINVAL if parameter.needs_value else None
        if parameter.type not in BOOLS:
            return None
        value = b"1"
    if parameter.array_max is not None:
        return _array_answer(parameter, value, parameter.array_max, words)
    return _answer(parameter, value, words, is_set=is_set)


def _array_answer(parameter: KernelParameter, value: bytes, most: int, words: Words) -> int | None:
    """`param_array`: stops at the first bad element, or at the first one too many."""
    for number, element in enumerate(value.split(b",", most)):
        if number == most:
            return EINVAL
        errno = _answer(parameter, element, words)
        if errno != 0:
            return errno
    return 0


def _answer(parameter: KernelParameter, value: bytes, words: Words, *, is_set: bool = False) -> int | None:
    kind = parameter.type
    if kind in INTEGERS:
        return integer_answer(value, *INTEGERS[kind])
    if kind in BOOLS:
        on = truth(value, words)
        if on is None:
            return EINVAL
        return EROFS if kind == "bool_enable_only" and is_set and not on else 0
    if kind == "charp":
        return ENOSPC if len(value) > LONGEST_CHARP else 0
    if kind == "string" and parameter.room is not None:
        return ENOSPC if len(value) >= parameter.room else 0
    return None


def integer_answer(value: bytes, bits: int, signed: bool) -> int:
    """Return 0, EINVAL or ERANGE, as kstrto* does with base 0: 0x begins hexadecimal, 0 octal; a newline may end it."""
    negative = signed and value.startswith(b"-")
    digits = value[1:] if value.startswith((b"-", b"+") if signed else b"+") else value
    found = _NUMBER.match(digits)
    if found is None:
        return EINVAL
    kind, base = {"hex": ("hex", 16), "octal": ("octal", 8), "decimal": ("decimal", 10)}[found.lastgroup or "decimal"]
    significant = found[kind].lstrip(b"0")
    # int() of a megabyte of digits takes long; no number of 64 bits has so many.
    number = int(significant or b"0", base) if len(significant) <= LONGEST_NUMBER else _ULLONG_MAX + 1
    if number > _ULLONG_MAX:
        return ERANGE
    if digits[found.end() :] not in (b"", b"\n"):
        return EINVAL
    if signed:
        return 0 if number <= (1 << bits - 1) - (not negative) else ERANGE
    return 0 if number < 1 << bits else ERANGE


def truth(value: bytes, words: Words) -> bool | None:
    """`kstrtobool`: return what the first one or two letters mean, None for nothing.

    Raises:
        Undecided: not every kernel takes that letter, and it is not known whether this one does.
    """
    first = value[:1].lower()
    if first == b"o":
        return {b"n": True, b"f": False}.get(value[1:2].lower())
    for letters, known in ((b"y1n0", True), (b"tf", words.true_false), (b"ed", words.enable_disable)):
        if first and first in letters:
            if known is None:
                raise Undecided(first.decode())
            return first in b"y1te" if known else None
    return None
