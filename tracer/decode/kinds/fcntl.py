"""fcntl(2): what its third argument is, and its result, depends on the command."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.numbers import HEX, INT, LONG, SIGNAL, hexadecimal, signal_symbol
from tracer.decode.kinds.opening import OPEN_FLAGS, open_flags
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.structures import pointed_in, pointed_out, structure
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.signature import DECIMAL, Call, Kind, Returns, Value, Variants, call
from tracer.decode.tables import file_flags as table
from tracer.decode.tables import file_numbers as number
from tracer.decode.values import flags as split_flags

_COMMAND = enum(number.FCNTL_COMMANDS, "F_???")
_NUMBERS = {symbol: value for value, symbol in number.FCNTL_COMMANDS.items()}

_LOCK_TYPE = enum(number.LOCK_TYPES, "F_???", mask=0xFFFF)
_WHENCE = enum(number.WHENCE, "SEEK_???", mask=0xFFFF)
_WHAT_AND_WHERE = (("l_type", "h", _LOCK_TYPE), ("l_whence", "h", _WHENCE))
_WITHOUT_PID = "l_type l_whence l_start l_len"
_LOCK_ROWS = (*_WHAT_AND_WHERE, ("l_start", "l"), ("l_len", "l"), ("l_pid", "i"))
_LOCK64_ROWS = (*_WHAT_AND_WHERE, ("l_start", "q"), ("l_len", "q"), ("l_pid", "i"))
_OWNER = structure(("type", "i", enum(number.OWNER_TYPES, "F_OWNER_???")), ("pid", "i"))


def _with(kind: Kind, returns: Returns = DECIMAL) -> Call:
    return call(("fd", FD), ("cmd", _COMMAND), ("arg", kind), returns=returns)


def _without(returns: Returns = DECIMAL, *, whole: bool = False) -> Call:
    return call(("fd", FD), ("cmd", _COMMAND), returns=returns, whole_at_entry=whole)


def _flagged(prefix: str, rows: tuple[tuple[int, str], ...]) -> Returns:
    """Return how a result of flags is shown: in hex, with their names."""

    def show(value: int, _arguments: Mapping[str, Value]) -> str:
        return f"{value:#x} ({prefix} {'|'.join(split_flags(value, rows))})" if value else "0"

    return Returns(show)


def _open_flags_of(arch: str) -> Returns:
    """Return how flags of open(2) are shown as a result: some bits differ from architecture to architecture."""

    def show(value: int, _arguments: Mapping[str, Value]) -> str:
        return f"{hexadecimal(value)} (flags {'|'.join(open_flags(value, arch))})"

    return Returns(show)


def _show_lease(value: int, _arguments: Mapping[str, Value]) -> str:
    symbol = number.LOCK_TYPES.get(value)
    return hexadecimal(value) + (f" ({symbol})" if symbol else "")


def _show_signal(value: int, _arguments: Mapping[str, Value]) -> str:
    return f"{value} ({signal_symbol(value)})" if value else "0"


_duplicate = _with(LONG, DESCRIPTOR)
_lock = _with(pointed_in(structure(*_LOCK_ROWS, shown=_WITHOUT_PID)))
_lock64 = _with(pointed_in(structure(*_LOCK64_ROWS, shown=_WITHOUT_PID)))
_get_lock64 = _with(pointed_out(structure(*_LOCK64_ROWS)))
_CASES = {
    "F_DUPFD": _duplicate,
    "F_DUPFD_CLOEXEC": _duplicate,
    "F_GETFD": _without(_flagged("flags", table.DESCRIPTOR_FLAGS)),
    "F_SETFD": _with(flags(table.DESCRIPTOR_FLAGS, "FD_???")),
    "F_SETFL": _with(OPEN_FLAGS),
    "F_GETLK": _with(pointed_out(structure(*_LOCK_ROWS))),
    "F_SETLK": _lock,
    "F_SETLKW": _lock,
    "F_OFD_GETLK": _get_lock64,
    "F_OFD_SETLK": _lock64,
    "F_OFD_SETLKW": _lock64,
    "F_GETOWN": _without(whole=True),
    "F_SETOWN": _with(INT),
    "F_GETOWN_EX": _with(pointed_out(_OWNER)),
    "F_SETOWN_EX": _with(pointed_in(_OWNER)),
    "F_GETSIG": _without(Returns(_show_signal)),
    "F_SETSIG": _with(SIGNAL),
    "F_GETLEASE": _without(Returns(_show_lease)),
    "F_SETLEASE": _with(enum(number.LOCK_TYPES, "F_???")),
    "F_NOTIFY": _with(flags(table.NOTIFY, "DN_???")),
    "F_GETPIPE_SZ": _without(whole=True),
    "F_SETPIPE_SZ": _with(LONG),
    "F_GET_SEALS": _without(_flagged("seals", table.SEALS)),
    "F_ADD_SEALS": _with(flags(table.SEALS, "F_SEAL_???")),
}


def variants(cases: Mapping[str, Call]) -> Variants:
    """Return fcntl's signature with these cases."""
    return Variants(
        "cmd",
        1,
        0xFFFFFFFF,
        lambda value: number.FCNTL_COMMANDS.get(value, hexadecimal(value)),
        {_NUMBERS[symbol]: case for symbol, case in cases.items()},
        _with(HEX),
    )


def fcntl(arch: str, *, locks64: bool = False) -> Variants:
    """Return fcntl's signature on an architecture; fcntl64 of 32-bit programs has locks of 64 bits besides."""
    locks = {"F_GETLK64": _get_lock64, "F_SETLK64": _lock64, "F_SETLKW64": _lock64} if locks64 else {}
    return variants({**_CASES, "F_GETFL": _without(_open_flags_of(arch)), **locks})


FCNTL = fcntl("x86_64")
FCNTL64 = fcntl("x86_64", locks64=True)
