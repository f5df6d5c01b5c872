"""Options of sockets, by level."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.common import everywhere, show_address
from tracer.decode.kinds.numbers import ADDRESS, hexadecimal
from tracer.decode.kinds.socket_addresses import socket_length
from tracer.decode.kinds.symbols import enum
from tracer.decode.names import errno_symbol
from tracer.decode.quoting import quoted
from tracer.decode.signature import Value
from tracer.decode.tables import sockets as table
from tracer.decode.values import Task, pointer, signed32
from tracer.escapes import escaped, unescaped
from tracer.ptrace.tracee import RawArguments

LEVEL = enum(table.LEVELS, "SOL_??")
_OPTION_NAMES: Mapping[int, tuple[Mapping[int, str], str]] = {
    0: (table.IP_OPTIONS, "IP_???"),
    1: (table.OPTIONS, "SO_???"),
    6: (table.TCP_OPTIONS, "TCP_???"),
    41: (table.IPV6_OPTIONS, "IPV6_???"),
    270: (table.NETLINK_OPTIONS, "NETLINK_???"),
}


def _option(_task: Task, value: int, raw: RawArguments) -> Value:
    value &= 0xFFFFFFFF
    names, unknown = _OPTION_NAMES.get(raw[1] & 0xFFFFFFFF, ({}, ""))
    return names.get(value) or (f"{hexadecimal(value)} /* {unknown} */" if unknown else value)


OPTION = everywhere(_option, str)
_ERROR = (1, 4)
_LINGER, _PEERCRED = (1, 13), (1, 17)
_MEMBERS = {_LINGER: ("l_onoff", "l_linger"), _PEERCRED: ("pid", "uid", "gid")}


def _option_value(task: Task, address: int, raw: RawArguments, length: int) -> Value:
    """Return an option's value: a number, the members of the structures that are known, or bytes."""
    data = task.read(address, min(length, 1 << 12)) if address and length > 0 else b""
    if not data:
        return pointer(address)
    names = _MEMBERS.get((raw[1] & 0xFFFFFFFF, raw[2] & 0xFFFFFFFF))
    if names is not None and len(data) == 4 * len(names):
        numbers = [int.from_bytes(data[at : at + 4], "little", signed=True) for at in range(0, len(data), 4)]
        return dict(zip(names, numbers, strict=True))
    if len(data) != 4:
        return {"data": escaped(data)}
    number = int.from_bytes(data, "little", signed=True)
    if number and (raw[1] & 0xFFFFFFFF, raw[2] & 0xFFFFFFFF) == _ERROR:
        return {"errno": errno_symbol(number)}
    return number


def _given_option(task: Task, value: int, raw: RawArguments) -> Value:
    return _option_value(task, value, raw, signed32(raw[4]))


def _told_option(task: Task, value: int, raw: RawArguments, _result: int, before: Value) -> Value:
    length = socket_length(task, raw[4])
    return _option_value(task, value, raw, length) if length > 0 else before


def _show_option_value(value: Value) -> str:
    if isinstance(value, int):
        return f"[{value}]"
    if isinstance(value, dict) and "data" in value:
        return quoted(unescaped(value["data"]), 32)
    if isinstance(value, dict) and "errno" in value:
        return f"[{value['errno']}]"
    if isinstance(value, dict) and "address" not in value:
        return "{" + ", ".join(f"{name}={each}" for name, each in value.items()) + "}"
    return show_address(value)


OPTION_IN = everywhere(_given_option, _show_option_value)
OPTION_OUT = ADDRESS._replace(late=lambda _arch: _told_option, show=_show_option_value, shown_late=True)
