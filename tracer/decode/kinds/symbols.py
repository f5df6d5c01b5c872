"""Numbers with names: one of a table, or flags."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tracer.decode.kinds.common import of_number
from tracer.decode.kinds.numbers import hexadecimal
from tracer.decode.signature import Kind, Show, Value
from tracer.decode.values import flags as split_flags
from tracer.decode.values import signed32

Flags = Iterable[tuple[int, str]]


def enum(table: Mapping[int, str], unknown: str | None, *, signed: bool = False, mask: int = 0xFFFFFFFF) -> Kind:
    """Return the kind of a number of a table, shown by its symbol; `unknown` is strace's comment on others."""

    def symbol(value: int) -> str:
        value = signed32(value) if signed else value & mask
        return table.get(value) or hexadecimal(value & mask)

    return of_number(symbol, shown_symbol(frozenset(table.values()), unknown))


def commented(table: Mapping[int, str], unknown: str) -> Kind:
    """Return the kind of a C int of a table that strace shows as a number, its symbol in a comment behind it."""
    numbers = {symbol: number for number, symbol in table.items()}

    def symbol(value: int) -> Value:
        return table.get(signed32(value), signed32(value))

    def show(value: Value) -> str:
        return f"{numbers[value]} /* {value} */" if value in numbers else f"{value} /* {unknown} */"

    return of_number(symbol, show)


def shown_symbol(known: frozenset[str], unknown: str | None) -> Show:
    """Return how a table's symbol is shown; a number that has none gets strace's comment."""
    if unknown is None:
        return str

    def show(value: Value) -> str:
        return str(value) if value in known else f"{value} /* {unknown} */"

    return show


def flags(table: Flags, unknown: str | None, *, mask: int = 0xFFFFFFFF) -> Kind:
    """Return the kind of a word of flags: a list of symbols, bits without a name last, in hex.

    A row of the table for 0 names the empty word. `unknown` is strace's comment on a word without a name.
    """
    rows = tuple(row for row in table if row[0])
    empty = [symbol for bits, symbol in table if not bits][:1]

    def symbols(value: int) -> list[str]:
        return split_flags(value & mask, rows) or list(empty)

    return of_number(symbols, shown_flags(unknown))


def shown_flags(unknown: str | None, separator: str = "|") -> Show:
    """Return how a list of flags is shown."""

    def show(value: Value) -> str:
        if not value:
            return "0"
        if not isinstance(value, list):
            return str(value)
        text = separator.join(value)
        if unknown is not None and len(value) == 1 and text.startswith("0x"):
            return f"{text} /* {unknown} */"
        return text

    return show
