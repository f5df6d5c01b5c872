"""What getdents64 fills in: the names of a folder."""

from __future__ import annotations

from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import ADDRESS
from tracer.decode.signature import LateReader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.tables.file_numbers import DIRECTORY_ENTRY_TYPES
from tracer.decode.values import Task
from tracer.escapes import escaped
from tracer.ptrace.tracee import RawArguments

#: struct linux_dirent64: d_ino, d_off (8 bytes each), d_reclen (2), d_type (1), d_name.
_HEAD = 19


def _entries(data: bytes) -> list[dict[str, Value]]:
    found = []
    start = 0
    while start + _HEAD <= len(data):
        size = max(int.from_bytes(data[start + 16 : start + 18], "little"), _HEAD)
        kind = data[start + 18]
        name = data[start + _HEAD : start + size].split(b"\0", 1)[0]
        found.append({"d_name": escaped(name), "d_type": DIRECTORY_ENTRY_TYPES.get(kind, str(kind))})
        start += size
    return found


def _reader(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        data = task.read(value, result) if result else b""
        return {"address": hex(value), "entries": _entries(data)} if len(data) == result and value else before

    return late


def _show(value: Value) -> str:
    if not isinstance(value, dict) or "entries" not in value:
        return show_address(value)
    return f"{value['address']} /* {len(value['entries'])} entries */"


ENTRIES = ADDRESS._replace(late=_reader, show=_show, shown_late=True)
