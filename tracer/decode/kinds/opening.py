"""How files are opened: the flags of open(2) and its relatives."""

from __future__ import annotations

from tracer.decode.kinds.numbers import octal
from tracer.decode.kinds.structures import pointed_in_sized, shown_members, structure
from tracer.decode.kinds.symbols import flags, shown_flags
from tracer.decode.signature import Kind, Reader, Value
from tracer.decode.tables import file_flags
from tracer.decode.tables import files as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task
from tracer.decode.values import flags as split_flags
from tracer.ptrace.tracee import RawArguments

#: With these open looks at the mode (open(2)).
CREATING = table.O_CREAT | table.O_TMPFILE_BIT


def open_flags(value: int, arch: str) -> list[str]:
    """Return the access mode, which is a number and not bits, then the flags of this architecture."""
    known = table.OPEN_FLAGS.get(arch, table.OPEN_FLAGS["x86_64"])
    return [table.ACCESS_MODES[value & table.O_ACCMODE], *split_flags(value & ~table.O_ACCMODE, known)]


def _open_reader(arch: Architecture) -> Reader:
    name = arch.name
    # Few combinations are ever used, and used often.
    seen: dict[int, list[str]] = {}

    def read(_task: Task, value: int, _raw: RawArguments) -> Value:
        value &= 0xFFFFFFFF
        found = seen.get(value)
        if found is None:
            found = open_flags(value, name)
            if len(seen) < 256:
                seen[value] = found
        return found

    return read


OPEN_FLAGS = Kind(_open_reader, "|".join, in_register=True)


def _bare_reader(arch: Architecture) -> Reader:
    known = table.OPEN_FLAGS.get(arch.name, table.OPEN_FLAGS["x86_64"])
    return lambda _task, value, _raw: split_flags(value & 0xFFFFFFFF, known)


#: Open's flags without an access mode: pipe2, dup3.
DESCRIPTOR_FLAGS = Kind(_bare_reader, shown_flags("O_???"), in_register=True)

_RESOLVE = flags(file_flags.RESOLVE_FLAGS, "RESOLVE_???", mask=(1 << 64) - 1)
_HOW = structure(("flags", "Q", OPEN_FLAGS), ("mode", "Q"), ("resolve", "Q", _RESOLVE))
_show_how = shown_members({"flags": "|".join, "mode": lambda value: octal(int(value)), "resolve": _RESOLVE.show})


def _show_open_how(value: Value) -> str:
    """Show struct open_how; its mode where it matters."""
    if isinstance(value, dict) and not value.get("mode") and not {"O_CREAT", "O_TMPFILE"} & set(value.get("flags", ())):
        value = {name: each for name, each in value.items() if name != "mode"}
    return _show_how(value)


#: struct open_how; its size is in the fourth register.
OPEN_HOW = pointed_in_sized(_HOW._replace(show=_show_open_how), 24, 3)
