"""File descriptors: with the path of what they are open on."""

from __future__ import annotations

from tracer.decode.kinds.common import everywhere, show_address
from tracer.decode.kinds.numbers import ADDRESS
from tracer.decode.signature import Kind, LateReader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, descriptor, directory
from tracer.ptrace.tracee import RawArguments


def show_descriptor(value: Value) -> str:
    """Show a descriptor by its number, AT_FDCWD by its symbol."""
    return str(value["value"]) if isinstance(value, dict) and "value" in value else show_address(value)


FD = everywhere(lambda task, value, _raw: descriptor(task, value), show_descriptor)._replace(in_register=True)
DIRFD = everywhere(lambda task, value, _raw: directory(task, value), show_descriptor)._replace(in_register=True)


def _pair_reader(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
        data = task.read(value, 8)
        if len(data) < 8:
            return before
        return [descriptor(task, int.from_bytes(part, "little")) for part in (data[:4], data[4:])]

    return late


def _show_pair(value: Value) -> str:
    if not isinstance(value, list):
        return show_address(value)
    return f"[{', '.join(show_descriptor(each) for each in value)}]"


#: int[2] that the kernel fills in: pipe, socketpair.
FD_PAIR: Kind = ADDRESS._replace(late=_pair_reader, show=_show_pair, shown_late=True)
