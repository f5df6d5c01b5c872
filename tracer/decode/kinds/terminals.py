"""Settings of terminals: struct termios."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.common import of_number
from tracer.decode.kinds.numbers import hexadecimal
from tracer.decode.kinds.structures import structure
from tracer.decode.kinds.symbols import flags, shown_flags
from tracer.decode.signature import Kind
from tracer.decode.tables import terminals as table
from tracer.decode.values import flags as split_flags

_Field = tuple[Mapping[int, str], int]
_OUTPUT_FIELDS: tuple[_Field, ...] = (
    (table.NEWLINE_DELAY, 0o000400),
    (table.RETURN_DELAY, 0o003000),
    (table.TAB_DELAY, 0o014000),
    (table.BACKSPACE_DELAY, 0o020000),
    (table.VERTICAL_TAB_DELAY, 0o040000),
    (table.FORM_FEED_DELAY, 0o100000),
)
_CONTROL_FIELDS: tuple[_Field, ...] = ((table.BAUD, 0o010017), (table.CHARACTER_SIZE, 0o000060))


def _mixed(fields: tuple[_Field, ...], rows: tuple[tuple[int, str], ...]) -> Kind:
    """Return the kind of a word that has numbers in some of its bits, and flags in the others."""

    def symbols(value: int) -> list[str]:
        value &= 0xFFFFFFFF
        found = []
        for names, mask in fields:
            found.append(names.get(value & mask, hexadecimal(value & mask)))
            value &= ~mask
        return [*found, *(split_flags(value, rows) or ["0"])]

    return of_number(symbols, shown_flags(None))


TERMIOS = structure(
    ("c_iflag", "I", flags(table.INPUT_FLAGS, None)),
    ("c_oflag", "I", _mixed(_OUTPUT_FIELDS, table.OUTPUT_FLAGS)),
    ("c_cflag", "I", _mixed(_CONTROL_FIELDS, table.CONTROL_FLAGS)),
    ("c_lflag", "I", flags(table.LOCAL_FLAGS, None)),
    ("c_line", "B"),
    ("c_cc", "19s"),
    shown="c_iflag c_oflag c_cflag c_lflag",
    more=True,
)
