"""mount(2), fsconfig(2), mount_setattr(2): what some of their arguments are depends on flags, or on a command."""

from __future__ import annotations

from tracer.decode.kinds.buffers import sent
from tracer.decode.kinds.common import everywhere, of_number, show_address
from tracer.decode.kinds.descriptors import DIRFD, FD, show_descriptor
from tracer.decode.kinds.numbers import INT, POINTER, hexadecimal
from tracer.decode.kinds.structures import pointed_in_sized, shown_members, structure
from tracer.decode.kinds.symbols import enum, shown_flags
from tracer.decode.kinds.symbols import flags as flags_kind
from tracer.decode.kinds.texts import PATH, STRING, show_string
from tracer.decode.quoting import quoted_in_hex
from tracer.decode.signature import Call, Kind, Reader, Value, Variants, call
from tracer.decode.tables import mount_flags as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, descriptor, flags, pointer, text
from tracer.ptrace.tracee import RawArguments

_MAGIC, _MAGIC_MASK = 0xC0ED0000, 0xFFFF0000
_REMOUNT = 0x20
#: MS_BIND, MS_MOVE, MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED: neither type nor data is looked at.
_CHANGES = 0x1000 | 0x2000 | 0x20000 | 0x40000 | 0x80000 | 0x100000


def _mount_flags(value: int) -> list[str]:
    if value & _MAGIC_MASK == _MAGIC:
        return ["MS_MGC_VAL", *flags(value & ~_MAGIC_MASK, table.MOUNT_FLAGS)]
    return flags(value, table.MOUNT_FLAGS)


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


def _show_binary(value: Value) -> str:
    data = value.get("data") if isinstance(value, dict) else None
    return show_address(value) if data is None else quoted_in_hex(data)


def _setting(value: Kind, aux: Kind = INT) -> Call:
    return _fsconfig(STRING, value, aux)


def _fsconfig(key: Kind, value: Kind, aux: Kind) -> Call:
    return call(
        ("fs_fd", FD),
        ("cmd", enum(table.FSCONFIG_COMMANDS, "FSCONFIG_???")),
        ("key", key),
        ("value", value),
        ("aux", aux),
    )


_ALL = (1 << 64) - 1
_CHANGED = flags_kind(table.CHANGED_ATTRIBUTES, "MOUNT_ATTR_???", mask=_ALL)
_PROPAGATION = enum(table.PROPAGATIONS, "MS_???", mask=_ALL)
_ATTRIBUTES = structure(
    ("attr_set", "Q", _CHANGED), ("attr_clr", "Q", _CHANGED), ("propagation", "Q", _PROPAGATION), ("userns_fd", "Q")
)
_GIVEN_ATTRIBUTES = pointed_in_sized(_ATTRIBUTES, 32, 4)
_HIGHEST_DESCRIPTOR = 0x7FFFFFFF


def _attributes_reader(arch: Architecture) -> Reader:
    given = _GIVEN_ATTRIBUTES.reader(arch)

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        found = given(task, value, raw)
        if isinstance(found, dict) and "MOUNT_ATTR_IDMAP" in (*found.get("attr_set", ()), *found.get("attr_clr", ())):
            number = found["userns_fd"]
            found["userns_fd"] = descriptor(task, number) if number <= _HIGHEST_DESCRIPTOR else number
        return found

    return read


def _show_user_namespace(value: Value) -> str:
    return show_descriptor(value) if isinstance(value, dict) else str(value)


#: struct mount_attr; its size is in the fifth register. `userns_fd` is a descriptor for MOUNT_ATTR_IDMAP only.
MOUNT_ATTRIBUTES = Kind(
    _attributes_reader,
    shown_members(
        {"attr_set": _CHANGED.show, "attr_clr": _CHANGED.show, "propagation": _PROPAGATION.show}
        | {"userns_fd": _show_user_namespace}
    ),
)


#: By the numbers of FSCONFIG_COMMANDS; the commands proper have neither key nor value.
FSCONFIG = Variants(
    "cmd",
    1,
    0xFFFFFFFF,
    lambda value: table.FSCONFIG_COMMANDS.get(value, hexadecimal(value)),
    {
        0: _setting(POINTER),
        1: _setting(STRING),
        2: _setting(sent(4)._replace(show=_show_binary)),
        3: _setting(PATH, DIRFD),
        4: _setting(PATH, DIRFD),
        5: _setting(POINTER, FD),
    },
    _fsconfig(POINTER, POINTER, INT),
)
