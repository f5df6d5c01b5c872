"""Sockets: what they are; see also their addresses, options and messages."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.common import everywhere, of_number
from tracer.decode.kinds.numbers import hexadecimal
from tracer.decode.kinds.symbols import enum, flags, shown_flags
from tracer.decode.signature import Value
from tracer.decode.tables import sockets as table
from tracer.decode.values import Task
from tracer.decode.values import flags as split_flags
from tracer.ptrace.tracee import RawArguments

_INET, _INET6, _NETLINK = 2, 10, 16

FAMILY = enum(table.FAMILIES, "AF_???")
MESSAGE_FLAGS = flags(table.MESSAGE_FLAGS, "MSG_???")
ACCEPT_FLAGS = flags(table.TYPE_FLAGS, "SOCK_???")
HOW = enum(table.SHUTDOWN, "SHUT_???")
_TYPE_MASK = 0xF


def _type(value: int) -> list[str]:
    """Return the type, which is a number in the lowest bits, then the flags."""
    value &= 0xFFFFFFFF
    symbol = table.TYPES.get(value & _TYPE_MASK)
    if symbol is None:
        return split_flags(value, table.TYPE_FLAGS)
    return [symbol, *split_flags(value & ~_TYPE_MASK, table.TYPE_FLAGS)]


TYPE = of_number(_type, shown_flags("SOCK_???"))
_PROTOCOLS: Mapping[int, tuple[Mapping[int, str], str]] = {
    _INET: (table.INET_PROTOCOLS, "IPPROTO_???"),
    _INET6: (table.INET_PROTOCOLS, "IPPROTO_???"),
    _NETLINK: (table.NETLINK_PROTOCOLS, "NETLINK_???"),
}


def _protocol(_task: Task, value: int, raw: RawArguments) -> Value:
    names, unknown = _PROTOCOLS.get(raw[0] & 0xFFFFFFFF, ({}, ""))
    number = value & 0xFFFFFFFF
    return names.get(number) or (f"{hexadecimal(number)} /* {unknown} */" if unknown else value)


PROTOCOL = everywhere(_protocol, str)
