"""What goes beside the data of a socket's message: descriptors, credentials (cmsg(3))."""

from __future__ import annotations

from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import hexadecimal
from tracer.decode.quoting import quoted
from tracer.decode.signature import Value
from tracer.decode.tables.sockets import LEVELS
from tracer.decode.values import Task, unreadable
from tracer.escapes import escaped, unescaped

_SOCKET = 1
_TYPES = {1: "SCM_RIGHTS", 2: "SCM_CREDENTIALS", 3: "SCM_SECURITY", 4: "SCM_PIDFD"}
_MOST = 1 << 14


def control_messages(task: Task, address: int, length: int, word: int) -> Value:
    """Return the control messages in a buffer, None for no buffer."""
    length = min(length, _MOST)
    head = word + 8
    data = task.read(address, length) if address and length >= head else b""
    if not data:
        return None if not length else unreadable(address)
    found = []
    start = 0
    while start + head <= len(data):
        size = int.from_bytes(data[start : start + word], "little")
        level = int.from_bytes(data[start + word : start + word + 4], "little")
        kind = int.from_bytes(data[start + word + 4 : start + head], "little")
        found.append(_one(size, level, kind, data[start + head : start + max(size, head)]))
        start += max((size + word - 1) & ~(word - 1), head)
    return found


def _one(size: int, level: int, kind: int, data: bytes) -> dict[str, Value]:
    shown = _TYPES.get(kind) if level == _SOCKET else None
    numbers = [int.from_bytes(data[at : at + 4], "little", signed=True) for at in range(0, len(data) - 3, 4)]
    value: Value = escaped(data)
    if shown == "SCM_RIGHTS":
        value = numbers
    elif shown == "SCM_CREDENTIALS" and len(numbers) == 3:
        value = dict(zip(("pid", "uid", "gid"), numbers, strict=True))
    return {
        "cmsg_len": size,
        "cmsg_level": LEVELS.get(level, hexadecimal(level)),
        "cmsg_type": shown or hexadecimal(kind),
        "cmsg_data": value,
    }


def show_control_messages(value: Value) -> str:
    """Show control messages as strace does."""
    if not isinstance(value, list):
        return show_address(value)
    return f"[{', '.join(_show_one(each) for each in value)}]"


def _show_one(value: Value) -> str:
    data = value["cmsg_data"]
    if isinstance(data, list):
        shown = f"[{', '.join(map(str, data))}]"
    elif isinstance(data, dict):
        shown = "{" + ", ".join(f"{name}={each}" for name, each in data.items()) + "}"
    else:
        shown = quoted(unescaped(data))
    parts = [f"{name}={value[name]}" for name in ("cmsg_len", "cmsg_level", "cmsg_type")]
    return "{" + ", ".join([*parts, f"cmsg_data={shown}"]) + "}"
