"""mount(2): what some of its arguments are depends on its flags."""

from __future__ import annotations

from tracer.decode.kinds.common import everywhere, of_number
from tracer.decode.kinds.symbols import shown_flags
from tracer.decode.kinds.texts import show_string
from tracer.decode.signature import Kind, Value
from tracer.decode.tables.file_flags import MOUNT_FLAGS as _FLAGS
from tracer.decode.values import Task, flags, pointer, text
from tracer.ptrace.tracee import RawArguments

_MAGIC, _MAGIC_MASK = 0xC0ED0000, 0xFFFF0000
_REMOUNT = 0x20
#: MS_BIND, MS_MOVE, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED: neither type nor data is looked at.
_CHANGES = 0x1000 | 0x2000 | 0x20000 | 0x40000 | 0x80000 | 0x100000


def _mount_flags(value: int) -> list[str]:
    if value & _MAGIC_MASK == _MAGIC:
        return ["MS_MGC_VAL", *flags(value & ~_MAGIC_MASK, _FLAGS)]
    return flags(value, _FLAGS)


def _without_magic(value: int) -> int:
    return value & ~_MAGIC_MASK if value & _MAGIC_MASK == _MAGIC else value


def _text_unless(ignoring: int) -> Kind:
    """Return the kind of a string that is only an address when one of these flags is set."""

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        if _without_magic(raw[3]) & ignoring:
            return {"address": pointer(value)} if value else None
        return text(task, value)

    return everywhere(read, show_string)


MOUNT_FLAGS = of_number(_mount_flags, shown_flags("MS_???"))
FILE_SYSTEM_TYPE = _text_unless(_REMOUNT | _CHANGES)


def _data(task: Task, value: int, raw: RawArguments) -> Value:
    flagged = _without_magic(raw[3])
    if flagged & _CHANGES and not flagged & _REMOUNT:
        return {"address": pointer(value)} if value else None
    return text(task, value)


DATA = everywhere(_data, show_string)
