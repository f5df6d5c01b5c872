"""syslog(2), the kernel's own log: what the other arguments are depends on the first."""

from __future__ import annotations

from tracer.decode.kinds.buffers import RECEIVED
from tracer.decode.kinds.numbers import INT, POINTER
from tracer.decode.kinds.symbols import commented
from tracer.decode.signature import Variants, call
from tracer.decode.tables import process_numbers as table
from tracer.decode.values import signed32

_TYPE = ("type", commented(table.SYSLOG_ACTIONS, "SYSLOG_ACTION_???"))
_bare = call(_TYPE)
_reading = call(_TYPE, ("bufp", RECEIVED), ("len", INT))
_level = call(_TYPE, ("bufp", POINTER), ("len", commented(table.LOG_LEVELS, "LOGLEVEL_???")))

#: SYSLOG_ACTION_CLEAR and those like it take a type alone.
SYSLOG = Variants(
    "type",
    0,
    0xFFFFFFFF,
    lambda value: table.SYSLOG_ACTIONS.get(value, signed32(value)),
    {**dict.fromkeys((0, 1, 5, 6, 7, 9, 10), _bare), **dict.fromkeys((2, 3, 4), _reading), 8: _level},
    call(_TYPE, ("bufp", POINTER), ("len", INT)),
)
