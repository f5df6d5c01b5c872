"""futex(2): which arguments it has depends on the operation."""

from __future__ import annotations

from tracer.decode.kinds.common import of_number
from tracer.decode.kinds.numbers import HEX32, POINTER, UINT, hexadecimal
from tracer.decode.kinds.symbols import enum
from tracer.decode.kinds.times import TIMESPEC64_IN, TIMESPEC_IN
from tracer.decode.signature import Call, Kind, Variants, call
from tracer.decode.tables import futex as table


def _symbols() -> dict[int, str]:
    """Return every operation with its modifiers."""
    found = {}
    for number, symbol in table.OPERATIONS.items():
        private = f"{symbol}|FUTEX_PRIVATE_FLAG" if symbol == "FUTEX_FD" else f"{symbol}_PRIVATE"
        found[number] = symbol
        found[number | table.PRIVATE] = private
        if number in table.ON_REAL_TIME:
            found[number | table.CLOCK_REALTIME] = f"{symbol}|FUTEX_CLOCK_REALTIME"
            found[number | table.PRIVATE | table.CLOCK_REALTIME] = f"{private}|FUTEX_CLOCK_REALTIME"
    return found


_SYMBOLS = _symbols()
_OPERATION = enum(_SYMBOLS, "FUTEX_???")
_BITS = enum({0xFFFFFFFF: "FUTEX_BITSET_MATCH_ANY"}, None)


def _wake_op(value: int) -> str:
    """Return what FUTEX_WAKE_OP does to the second futex, as strace writes it."""
    operation, comparison = value >> 28 & 0xF, value >> 24 & 0xF
    shift = "FUTEX_OP_OPARG_SHIFT<<28|" if operation & 8 else ""
    what = table.WAKE_OPERATIONS.get(operation & 7)
    how = table.WAKE_COMPARISONS.get(comparison)
    return (
        f"{shift}{what or hexadecimal(operation & 7)}<<28{'' if what else ' /* FUTEX_OP_??? */'}"
        f"|{hexadecimal(value >> 12 & 0xFFF)}<<12"
        f"|{how or hexadecimal(comparison)}<<24{'' if how else ' /* FUTEX_OP_CMP_??? */'}"
        f"|{hexadecimal(value & 0xFFF)}"
    )


def futex(timeout: Kind) -> Variants:
    """Return futex's signature with this kind of timeout."""
    head = (("uaddr", POINTER), ("futex_op", _OPERATION))
    value = ("val", UINT)
    two_more = (value, ("val2", UINT), ("uaddr2", POINTER))
    wake = call(*head, value)
    wait_pi = call(*head, ("timeout", timeout, 3))
    requeue = call(*head, *two_more, ("val3", UINT))
    bare = call(*head)
    cases: dict[int, Call] = {
        0: call(*head, value, ("timeout", timeout)),
        1: wake,
        2: wake,
        3: call(*head, *two_more),
        4: requeue,
        5: call(*head, *two_more, ("val3", of_number(lambda number: _wake_op(number & 0xFFFFFFFF)))),
        6: wait_pi,
        7: bare,
        8: bare,
        9: call(*head, value, ("timeout", timeout), ("val3", _BITS, 5)),
        10: call(*head, value, ("val3", _BITS, 5)),
        11: call(*head, value, ("timeout", timeout), ("uaddr2", POINTER)),
        12: requeue,
        13: wait_pi,
    }
    return Variants(
        "futex_op",
        1,
        0xFFFFFFFF,
        lambda number: _SYMBOLS.get(number, hexadecimal(number)),
        {number: cases[number & 127] for number in _SYMBOLS},
        call(*head, value, ("timeout", POINTER), ("uaddr2", POINTER), ("val3", HEX32)),
    )


FUTEX = futex(TIMESPEC_IN)
FUTEX_TIME64 = futex(TIMESPEC64_IN)
