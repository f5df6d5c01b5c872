"""Addresses of sockets, by family."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping

from tracer.decode.kinds.common import everywhere, show_address
from tracer.decode.kinds.numbers import hexadecimal
from tracer.decode.kinds.sockets import FAMILY
from tracer.decode.quoting import quoted
from tracer.decode.signature import Kind, Value
from tracer.decode.tables import sockets as table
from tracer.decode.values import Task, pointer, signed32, unreadable
from tracer.escapes import escaped, unescaped
from tracer.ptrace.tracee import RawArguments

_LONGEST_ADDRESS = 128  # struct sockaddr_storage
_UNIX, _INET, _INET6, _NETLINK = 1, 2, 10, 16


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


def socket_length(task: Task, address: int) -> int:
    """Return the socklen_t at an address; 0 where there is none."""
    data = task.read(address, 4) if address else b""
    return int.from_bytes(data, "little", signed=True) if len(data) == 4 else 0


def address_out(length_at: int) -> Kind:
    """Return the kind of an address that the kernel fills in; a register points to its length."""

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        return {"address": pointer(value), "room": socket_length(task, raw[length_at])} if value else None

    def late(task: Task, value: int, raw: RawArguments, _result: int, before: Value) -> Value:
        if not value or not raw[length_at]:
            return before
        return read_address(task, value, min(before["room"], socket_length(task, raw[length_at])))

    return everywhere(read, show_socket_address)._replace(late=lambda _arch: late, shown_late=True)
