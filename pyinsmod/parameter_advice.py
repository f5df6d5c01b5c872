"""What went wrong when a parameter was typed, and what to type instead."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from pyinsmod.parameter_values import BOOLS, INTEGERS, LONGEST_CHARP, Argument
from pyinsmod.parameters import KernelParameter

# What word processors and web pages make of the characters on the left of a keyboard.
TYPOGRAPHY = {
    **dict.fromkeys("“”„‟«»″", '"'),
    **dict.fromkeys("‘’‚‛‹›′", "'"),
    **dict.fromkeys("‐‑‒–—―−", "-"),
    "\N{NO-BREAK SPACE}": " ",
    "\N{FULLWIDTH EQUALS SIGN}": "=",
}
NO_SUCH_NAME = "the kernel ignores it with a line in its log"
LONGEST_QUOTED = 60
QUOTES = b"\"' "

Advice = tuple[str, str | None]
"""What is wrong, and what to type instead."""


def accents(parameters: str) -> Advice | None:
    """Say which letters the kernel will cut in two: one of their bytes is a space to it (`isspace`, lib/ctype.c)."""
    cut = sorted({letter for letter in parameters if letter > "\x7f" and b"\xa0" in _raw(letter)})
    if not cut:
        return None
    letters = " ".join(f"'{letter}'" for letter in cut[:8])
    what = f"the kernel takes a byte of {letters} for a space, and the argument ends there"
    if cut == ["\N{NO-BREAK SPACE}"]:
        return what, "type plain spaces"
    return what, "put it into double quotes that reach the kernel: pyinsmod FILE 'name=\"value\"'"


def typography(argument: Argument) -> Advice | None:
    """Say that a value that is taken holds characters that were hardly meant."""
    value = argument.value or b""
    found = _typographic(value)
    if not found:
        return None
    what = f"'{_short(argument.name)}' is set to '{_short(value)}', {found} and all: characters of a document"
    return what, f"type plain ones: pyinsmod FILE {_quoted(argument.name, _plain(value))}"


def refusal(arguments: Sequence[Argument], position: int, parameter: KernelParameter, number: int) -> Advice:
    """Say why a value is refused, and what to type instead."""
    argument = arguments[position]
    if argument.value is None:
        return _no_value(arguments, position, parameter)
    found = _typographic(argument.value)
    if found and number == errno.EINVAL:
        what = f"'{_short(argument.value)}' for '{parameter.name}' is written with {found}, characters of a document"
        return what, f"type plain ones: pyinsmod FILE {_quoted(argument.name, _plain(argument.value).strip(QUOTES))}"
    what, remedy = _why(argument.value, parameter, number)
    return f"'{_short(argument.value)}' is not for '{parameter.name}': {what}", remedy


def unknown(arguments: Sequence[Argument], position: int, names: Sequence[str]) -> Advice:
    """Say what an argument that names no parameter was probably meant to be."""
    argument = arguments[position]
    before = arguments[position - 1] if position else None
    if argument == (b"=", None):
        return _spaced(arguments, position)
    if argument.name.startswith(b"="):
        return (
            f"'{_short(argument.name)}' has no name before the equals sign: {NO_SUCH_NAME}",
            "type it before the equals sign: name=value",
        )
    if argument.value is None and before is not None and before.value is not None and names:
        what = f"'{_short(argument.name)}' is no parameter of the module: {NO_SUCH_NAME}"
        why = "if it belongs to the value before it, the shell took the quotes away"
        whole = _text(before.value + b" " + argument.name)
        return f"{what}; {why}", f"quote twice: pyinsmod FILE {_doubly_quoted(before.name, whole)}"
    return _unknown_name(argument, names)


def _unknown_name(argument: Argument, names: Sequence[str]) -> Advice:
    """Name the parameter that was probably meant."""
    from difflib import get_close_matches

    given = _text(argument.name)
    what = f"the module has no parameter '{_short(argument.name)}': {NO_SUCH_NAME}"
    if not names:
        return f"{what}; it has none at all", "leave it out"
    near = get_close_matches(given, names, 1) if len(given) <= LONGEST_QUOTED else []
    near = near or [name for name in names if name.lower() == given.lower()]
    if near:
        return f"{what}; '{near[0]}' is one", f"pyinsmod FILE {_quoted(_raw(near[0]), argument.value)}"
    return what, "see which there are: pyinsmod info FILE"


def described(parameter: KernelParameter) -> str:
    """Return name and type of a parameter in a few words."""
    kind = parameter.type or "type of its own"
    if parameter.array_max is not None:
        kind = f"array of {kind}, {parameter.array_max} at most"
    if parameter.room is not None:
        kind = f"string of less than {parameter.room} bytes"
    return f"{parameter.name}: {kind}"


def _no_value(arguments: Sequence[Argument], position: int, parameter: KernelParameter) -> Advice:
    if position + 1 < len(arguments) and arguments[position + 1].name.startswith(b"="):
        return _spaced(arguments, position + 1)
    return f"'{parameter.name}' needs a value", f"pyinsmod FILE {parameter.name}={_example(parameter)}"


def _spaced(arguments: Sequence[Argument], equals: int) -> Advice:
    """`NAME = VALUE`, or `NAME =VALUE`: three arguments, or two."""
    name = _short(arguments[equals - 1].name) if equals else "name"
    value = arguments[equals].name[1:]
    if not value and equals + 1 < len(arguments) and arguments[equals + 1].value is None:
        value = arguments[equals + 1].name
    return (
        f"there is a space between '{name}' and its equals sign: the kernel sees arguments of their own",
        f"write it without spaces: pyinsmod FILE {_quoted(_raw(name), value or b'value')}",
    )


def _why(value: bytes, parameter: KernelParameter, number: int) -> Advice:
    """Say what a type takes and the value is not."""
    kind, name = parameter.type, parameter.name
    if parameter.array_max is not None and value.count(b",") >= parameter.array_max and number == errno.EINVAL:
        return f"it takes {parameter.array_max} values at most", f"leave out the others: {described(parameter)}"
    if kind in INTEGERS:
        lowest, highest = _range(kind)
        if number == errno.ERANGE:
            return f"it is not between {lowest} and {highest} ({kind})", f"pyinsmod FILE {name}={highest}"
        if value.startswith(b"-") and not lowest and value[1:].isdigit():
            return f"it is negative, and the type is {kind}", f"pyinsmod FILE {name}={_example(parameter)}"
        return f"it is no whole number ({kind})", f"pyinsmod FILE {name}={_example(parameter)}"
    if kind in BOOLS:
        if number == errno.EROFS:
            return "once on it cannot be turned off", f"leave out {name}"
        return f"it is neither yes nor no ({kind})", f"1 is yes, 0 is no: pyinsmod FILE {name}=1"
    room = LONGEST_CHARP if kind == "charp" else (parameter.room or 1) - 1
    return f"it has {len(value)} bytes, and {room} are the most", "give a shorter one"


def _range(kind: str) -> tuple[int, int]:
    bits, signed = INTEGERS[kind]
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)


def _example(parameter: KernelParameter) -> str:
    return "1" if parameter.type in INTEGERS or parameter.type in BOOLS else "value"


def _typographic(value: bytes) -> str:
    """Return the typographic characters of a value, each in quotes; nothing when there are none."""
    found = sorted(set(_text(value)) & set(TYPOGRAPHY))
    return " and ".join(f"'{letter}'" for letter in found)


def _plain(value: bytes) -> bytes:
    return _raw("".join(TYPOGRAPHY.get(letter, letter) for letter in _text(value)))


def _quoted(name: bytes, value: bytes | None) -> str:
    from shlex import quote

    return quote(_text(name) if value is None else f"{_text(name)}={_text(value)}")


def _doubly_quoted(name: bytes, value: str) -> str:
    from shlex import quote

    return quote(f'{_text(name)}="{value}"')


def _short(raw: bytes) -> str:
    from pyinsmod.text import shortened

    return shortened(_text(raw), LONGEST_QUOTED)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
