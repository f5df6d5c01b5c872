"""Messages of sockets: struct msghdr."""

from __future__ import annotations

from tracer.decode.kinds.buffers import show_vector, vector_received, vector_sent
from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.control_messages import control_messages, show_control_messages
from tracer.decode.kinds.socket_addresses import read_address, show_socket_address
from tracer.decode.kinds.sockets import MESSAGE_FLAGS
from tracer.decode.kinds.structures import structure
from tracer.decode.signature import Kind, LateReader, Reader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, unreadable
from tracer.ptrace.tracee import RawArguments

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
