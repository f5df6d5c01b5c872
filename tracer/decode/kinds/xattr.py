"""Values and lists of extended attributes."""

from __future__ import annotations

from tracer.decode.kinds.buffers import RECEIVED, sent
from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import ADDRESS
from tracer.decode.quoting import STRING_LIMIT, quoted
from tracer.decode.signature import LateReader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, buffer
from tracer.escapes import unescaped
from tracer.ptrace.tracee import RawArguments


def _show_value(value: Value) -> str:
    """Show a value without the NUL that often ends it."""
    if not isinstance(value, dict) or "data" not in value:
        return show_address(value)
    data = unescaped(value["data"])
    cut = len(data) > STRING_LIMIT + 1 or "truncated" in value
    data = data if cut else data.removesuffix(b"\0")
    return quoted(data, STRING_LIMIT)


def _list_reader(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, raw: RawArguments, result: int, before: Value) -> Value:
        return buffer(task, value, result) if raw[2] else before

    return late


#: setxattr's; its length is in the fourth register.
VALUE = sent(3)._replace(show=_show_value)
XATTR_VALUE = RECEIVED._replace(show=_show_value)
XATTR_LIST = ADDRESS._replace(late=_list_reader, show=RECEIVED.show, shown_late=True)
