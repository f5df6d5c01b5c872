"""Sockets: what they are, their addresses and options, and messages."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from tracer.decode.kinds.buffers import show_vector, vector_received, vector_sent
from tracer.decode.kinds.common import everywhere, of_number, show_address
from tracer.decode.kinds.control_messages import control_messages, show_control_messages
from tracer.decode.kinds.numbers import ADDRESS, hexadecimal
from tracer.decode.kinds.structures import structure
from tracer.decode.kinds.symbols import enum, flags, shown_flags
from tracer.decode.names import errno_symbol
from tracer.decode.quoting import quoted
from tracer.decode.signature import Kind, LateReader, Reader, Value
from tracer.decode.tables import sockets as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, pointer, signed32, unreadable
from tracer.decode.values import flags as split_flags
from tracer.escapes import escaped, unescaped
from tracer.ptrace.tracee import RawArguments

_LONGEST_ADDRESS = 128  # struct sockaddr_storage
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16

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
    value &= 0xFFFFFFFF
    names, unknown = _PROTOCOLS.get(raw[0] & 0xFFFFFFFF, ({}, ""))
    return names.get(value) or (f"{hexadecimal(value)} /* {unknown} */" if unknown else value)


PROTOCOL = everywhere(_protocol, str)


def socket_address(data: bytes) -> dict[str, Value]:
    """Return struct sockaddr as an object: the members of its family; `sa_data` of one that is not known."""
    number = int.from_bytes(data[:2], "little")
    found: dict[str, Value] = {"sa_family": table.FAMILIES.get(number, hexadecimal(number))}
    rest = data[2:]
    if not rest:
        return found
    make, least = _ADDRESSES.get(number, (_raw_address, 0))
    return found | (make(data) if len(data) >= least else _raw_address(data))


def _raw_address(data: bytes) -> dict[str, Value]:
    return {"sa_data": escaped(data[2:])}


def _unix_address(data: bytes) -> dict[str, Value]:
    path = data[2:110]
    if path[:1] != b"\0":
        return {"sun_path": escaped(path.split(b"\0", 1)[0])}
    return {"abstract": escaped(path[1:])}


def _port(data: bytes) -> int:
    return int.from_bytes(data[2:4], "big")


def _inet_address(data: bytes) -> dict[str, Value]:
    return {"sin_port": _port(data), "sin_addr": socket.inet_ntop(socket.AF_INET, data[4:8])}


def _inet6_address(data: bytes) -> dict[str, Value]:
    found: dict[str, Value] = {
        "sin6_port": _port(data),
        "sin6_flowinfo": int.from_bytes(data[4:8], "big"),
        "sin6_addr": socket.inet_ntop(socket.AF_INET6, data[8:24]),
    }
    return found | {"sin6_scope_id": int.from_bytes(data[24:28], "little")} if len(data) > 24 else found


def _netlink_address(data: bytes) -> dict[str, Value]:
    return {
        "nl_pid": int.from_bytes(data[4:8], "little", signed=True),
        "nl_groups": f"{int.from_bytes(data[8:12], 'little'):#010x}",
    }


_ADDRESSES: Mapping[int, tuple[Callable[[bytes], dict[str, Value]], int]] = {
    _UNIX: (_unix_address, 3),
    _INET: (_inet_address, 16),
    _INET6: (_inet6_address, 24),
    _NETLINK: (_netlink_address, 12),
}


def _show_member(name: str, value: Value) -> str:
    match name:
        case "sa_data" | "sun_path":
            return f"{name}={quoted(unescaped(value))}"
        case "abstract":
            return f"sun_path=@{quoted(unescaped(value))}"
        case "sin_port" | "sin6_port":
            return f"{name}=htons({value})"
        case "sin_addr":
            return f'{name}=inet_addr("{value}")'
        case "sin6_flowinfo":
            return f"{name}=htonl({value})"
        case "sin6_addr":
            return f'inet_pton(AF_INET6, "{value}", &{name})'
        case "nl_groups":
            return f"{name}={value if int(value, 16) else '00000000'}"
        case _:
            return f"{name}={value}"


def show_socket_address(value: Value) -> str:
    """Show struct sockaddr as strace does."""
    if not isinstance(value, dict) or "sa_family" not in value:
        return show_address(value)
    parts = [f"sa_family={FAMILY.show(value['sa_family'])}"]
    parts += [_show_member(name, each) for name, each in value.items() if name != "sa_family"]
    return "{" + ", ".join(parts) + "}"


def read_address(task: Task, address: int, length: int) -> Value:
    """Return the socket address of `length` bytes at an address."""
    if length < 2:
        return pointer(address)
    length = min(length, _LONGEST_ADDRESS)
    data = task.read(address, length) if address else b""
    return socket_address(data) if len(data) == length else unreadable(address)


def address_in(length_at: int) -> Kind:
    """Return the kind of an address that the program gives; a register has its length."""

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        return read_address(task, value, signed32(raw[length_at]))

    return everywhere(read, show_socket_address)


def _length(task: Task, address: int) -> int:
    data = task.read(address, 4) if address else b""
    return int.from_bytes(data, "little", signed=True) if len(data) == 4 else 0


def address_out(length_at: int) -> Kind:
    """Return the kind of an address that the kernel fills in; a register points to its length."""

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        return {"address": pointer(value), "room": _length(task, raw[length_at])} if value else None

    def late(task: Task, value: int, raw: RawArguments, _result: int, before: Value) -> Value:
        if not value or not raw[length_at]:
            return before
        return read_address(task, value, min(before["room"], _length(task, raw[length_at])))

    return everywhere(read, show_socket_address)._replace(late=lambda _arch: late, shown_late=True)


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
    length = _length(task, raw[4])
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

_HEADER = structure(
    ("msg_name", "L"),
    ("msg_namelen", "i"),
    ("msg_iov", "L"),
    ("msg_iovlen", "L"),
    ("msg_control", "L"),
    ("msg_controllen", "L"),
    ("msg_flags", "I", MESSAGE_FLAGS),
)


def _message(task: Task, header: dict[str, Value], word: int, total: int | None, room: int | None) -> Value:
    """Return struct msghdr with what its pointers lead to; `total` bytes of it were received."""
    length = header["msg_namelen"]
    name = read_address(task, header["msg_name"], length if room is None else min(length, room))
    count = min(header["msg_iovlen"], 1024)
    if total is None:
        vector = vector_sent(task, header["msg_iov"], count, word)
    else:
        vector = vector_received(task, header["msg_iov"], count, word, total)
    found = {**header, "msg_name": name, "msg_iov": vector}
    found["msg_control"] = control_messages(task, header["msg_control"], header["msg_controllen"], word)
    if room is not None:
        found["msg_namelen_before"] = room
    return found


def _sent_message(arch: Architecture) -> Reader:
    layout, word = _HEADER.layout(arch), arch.word

    def read(task: Task, value: int, _raw: RawArguments) -> Value:
        data = task.read(value, layout.size) if value else b""
        if len(data) < layout.size:
            return unreadable(value)
        return _message(task, layout.decode(task, data), word, None, None)

    return read


def _empty_message(arch: Architecture) -> Reader:
    layout = _HEADER.layout(arch)

    def read(task: Task, value: int, _raw: RawArguments) -> Value:
        data = task.read(value, layout.size) if value else b""
        if len(data) < layout.size:
            return unreadable(value)
        return {"msg_namelen": layout.decode(task, data)["msg_namelen"]}

    return read


def _received_message(arch: Architecture) -> LateReader:
    layout, word = _HEADER.layout(arch), arch.word

    def late(task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        data = task.read(value, layout.size) if value else b""
        if len(data) < layout.size or not isinstance(before, dict) or "msg_namelen" not in before:
            return before
        return _message(task, layout.decode(task, data), word, result, before["msg_namelen"])

    return late


def _show_message(value: Value) -> str:
    if not isinstance(value, dict) or "msg_namelen" not in value:
        return show_address(value)
    length, before = value["msg_namelen"], value.get("msg_namelen_before")
    shown_length = f"msg_namelen={length}" if before in {None, length} else f"msg_namelen={before} => {length}"
    if "msg_iov" not in value:
        return f"{{{shown_length}}}"
    parts = [
        f"msg_name={show_socket_address(value['msg_name'])}",
        shown_length,
        f"msg_iov={show_vector(value['msg_iov'])}",
        f"msg_iovlen={value['msg_iovlen']}",
    ]
    if value["msg_controllen"]:
        parts.append(f"msg_control={show_control_messages(value['msg_control'])}")
    parts += [
        f"msg_controllen={value['msg_controllen']}",
        f"msg_flags={MESSAGE_FLAGS.show(value['msg_flags'])}",
    ]
    return "{" + ", ".join(parts) + "}"


MESSAGE_SENT = Kind(_sent_message, _show_message)
MESSAGE_RECEIVED = Kind(_empty_message, _show_message, late=_received_message, shown_late=True)
