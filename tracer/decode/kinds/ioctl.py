"""ioctl(2): requests by name, and what the usual ones of terminals and files pass."""

from __future__ import annotations

from tracer.decode.kinds.common import of_number
from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.numbers import HEX, INT, INT_IN, INT_OUT, UINT64_OUT, hexadecimal
from tracer.decode.kinds.structures import pointed_in, pointed_out, structure
from tracer.decode.kinds.symbols import enum
from tracer.decode.kinds.terminals import TERMIOS
from tracer.decode.signature import Call, Kind, Value, Variants, call
from tracer.decode.tables.ioctls import REQUESTS

_DIRECTIONS = {0: "_IOC_NONE", 1: "_IOC_WRITE", 2: "_IOC_READ", 3: "_IOC_READ|_IOC_WRITE"}


def _request(value: int) -> str:
    value &= 0xFFFFFFFF
    return REQUESTS.get(value) or hexadecimal(value)


def _show_request(value: Value) -> str:
    """Show a request without a name by its parts (<asm-generic/ioctl.h>)."""
    text = str(value)
    if not text[:1].isdigit():
        return text
    code = int(text, 0)
    parts = (code >> 8 & 0xFF, code & 0xFF, code >> 16 & 0x3FFF)
    return f"_IOC({_DIRECTIONS[code >> 30]}, {', '.join(hexadecimal(part) for part in parts)})"


_REQUEST = of_number(_request, _show_request)


def _with(kind: Kind) -> Call:
    return call(("fd", FD), ("request", _REQUEST), ("argp", kind))


_WINDOW = structure(("ws_row", "H"), ("ws_col", "H"), ("ws_xpixel", "H"), ("ws_ypixel", "H"))
_termios_in = _with(pointed_in(TERMIOS))
_termios_out = _with(pointed_out(TERMIOS))
_number_in = _with(INT_IN)
_number_out = _with(INT_OUT)
_direct = _with(INT)
_nothing = call(("fd", FD), ("request", _REQUEST))
_FLUSH = {0: "TCIFLUSH", 1: "TCOFLUSH", 2: "TCIOFLUSH"}
_FLOW = {0: "TCOOFF", 1: "TCOON", 2: "TCIOFF", 3: "TCION"}
_CASES = {
    0x5401: _termios_out,  # TCGETS
    0x5402: _termios_in,
    0x5403: _termios_in,
    0x5404: _termios_in,
    0x5409: _direct,  # TCSBRK
    0x540A: _with(enum(_FLOW, "TC???")),
    0x540B: _with(enum(_FLUSH, "TC???")),
    0x540C: _nothing,  # TIOCEXCL
    0x540D: _nothing,
    0x540E: _direct,  # TIOCSCTTY
    0x540F: _number_out,  # TIOCGPGRP
    0x5410: _number_in,  # TIOCSPGRP
    0x5411: _number_out,  # TIOCOUTQ
    0x5413: _with(pointed_out(_WINDOW)),
    0x5414: _with(pointed_in(_WINDOW)),
    0x541B: _number_out,  # FIONREAD
    0x5421: _number_in,  # FIONBIO
    0x5422: _nothing,  # TIOCNOTTY
    0x5429: _number_out,  # TIOCGSID
    0x5450: _nothing,  # FIONCLEX
    0x5451: _nothing,  # FIOCLEX
    0x5452: _number_in,  # FIOASYNC
    0x40045431: _number_in,  # TIOCSPTLCK
    0x80045430: _number_out,  # TIOCGPTN
    0x80081272: _with(UINT64_OUT),  # BLKGETSIZE64
    0x1268: _number_out,  # BLKSSZGET
    0x40049409: _with(FD),  # FICLONE
}

IOCTL = Variants("request", 1, 0xFFFFFFFF, _request, _CASES, _with(HEX))
