"""clone and clone3: flags, and arguments that strace writes with their names."""

from __future__ import annotations

from tracer.decode.kinds.common import of_number, show_address
from tracer.decode.kinds.numbers import HEX, INT_OUT, POINTER, signal_symbol
from tracer.decode.kinds.structures import structure
from tracer.decode.kinds.symbols import flags
from tracer.decode.signature import Argument, Call, Kind, LateReader, Reader, Value, call
from tracer.decode.tables import process_flags as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, pointer, unreadable
from tracer.decode.values import flags as split_flags
from tracer.ptrace.tracee import RawArguments

_SIGNAL_BITS = 0xFF
_PIDFD, _SETTLS, _PARENT_SETTID = 0x1000, 0x80000, 0x100000
_CHILD_CLEARTID, _CHILD_SETTID = 0x200000, 0x1000000


def _clone_flags(value: int) -> list[str]:
    """Return the flags and, last, the signal that the child's end sends."""
    number = value & _SIGNAL_BITS
    symbols = split_flags(value & ~_SIGNAL_BITS, table.CLONE_FLAGS)
    return [*symbols, str(signal_symbol(number))] if number else symbols


def _named(name: str, kind: Kind) -> Kind:
    show = kind.show
    return kind._replace(show=lambda value: f"{name}={show(value)}")


def clone(tls: int, child_tid: int) -> Call:
    """Return clone's signature for an architecture that has these two in these registers (clone(2))."""
    parent = Argument("parent_tid", _named("parent_tid", INT_OUT), 2, lambda raw: raw[0] & (_PARENT_SETTID | _PIDFD))
    settings = Argument("tls", _named("tls", POINTER._replace(shown_late=True)), tls, lambda raw: raw[0] & _SETTLS)
    child = Argument(
        "child_tidptr",
        _named("child_tidptr", POINTER._replace(shown_late=True)),
        child_tid,
        lambda raw: raw[0] & (_CHILD_SETTID | _CHILD_CLEARTID),
    )
    return call(
        ("child_stack", _named("child_stack", POINTER), 1),
        ("flags", _named("flags", of_number(_clone_flags, lambda value: "|".join(value) or "0")), 0),
        parent,
        settings,
        child,
    )


_FLAGS3 = flags((*table.CLONE_FLAGS, *table.CLONE3_FLAGS), "CLONE_???", mask=(1 << 64) - 1)
_SIGNAL = of_number(signal_symbol)
_MEMBERS = (
    ("flags", _FLAGS3),
    ("pidfd", POINTER),
    ("child_tid", POINTER),
    ("parent_tid", POINTER),
    ("exit_signal", _SIGNAL),
    ("stack", POINTER),
    ("stack_size", HEX),
    ("tls", POINTER),
    ("set_tid", POINTER),
    ("set_tid_size", None),
    ("cgroup", None),
)
_LEAST, _MOST = 64, 88


def _arguments_reader(arch: Architecture) -> Reader:
    layouts = {
        size: structure(*((name, "Q", kind) for name, kind in _MEMBERS[: size // 8])).layout(arch)
        for size in range(_LEAST, _MOST + 8, 8)
    }

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        layout = layouts.get(min(raw[1], _MOST) & ~7)
        if layout is None:
            return pointer(value)
        data = task.read(value, layout.size) if value else b""
        return layout.decode(task, data) if len(data) == layout.size else unreadable(value)

    return read


def _filled_reader(_arch: Architecture) -> LateReader:
    def late(task: Task, _value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
        if not isinstance(before, dict) or "flags" not in before:
            return before
        filled = {}
        for flag, name in (("CLONE_PIDFD", "pidfd"), ("CLONE_PARENT_SETTID", "parent_tid")):
            if flag in before["flags"] and before[name] is not None:
                data = task.read(int(before[name], 16), 4)
                filled[name] = int.from_bytes(data, "little") if len(data) == 4 else before[name]
        return {**before, "filled": filled} if filled else before

    return late


def _shown(value: Value, name: str) -> bool:
    """Whether strace shows a member: some only when a flag says that they mean something."""
    given = value["flags"]
    match name:
        case "pidfd":
            return "CLONE_PIDFD" in given
        case "child_tid":
            return "CLONE_CHILD_SETTID" in given or "CLONE_CHILD_CLEARTID" in given
        case "parent_tid":
            return "CLONE_PARENT_SETTID" in given
        case "tls":
            return "CLONE_SETTLS" in given
        case "set_tid" | "set_tid_size":
            return bool(value.get("set_tid") or value.get("set_tid_size"))
        case "cgroup":
            return bool(value.get("cgroup")) or "CLONE_INTO_CGROUP" in given
    return True


def _show_arguments(value: Value) -> str:
    if not isinstance(value, dict) or "flags" not in value:
        return show_address(value)
    parts = []
    for name, kind in _MEMBERS:
        if name in value and _shown(value, name):
            parts.append(f"{name}={str(value[name]) if kind is None else kind.show(value[name])}")
    text = "{" + ", ".join(parts) + "}"
    filled = value.get("filled")
    if filled:
        text += " => {" + ", ".join(f"{name}=[{number}]" for name, number in filled.items()) + "}"
    return text


#: struct clone_args; its size is in the second register.
CLONE_ARGS = Kind(_arguments_reader, _show_arguments, late=_filled_reader)
