"""Structures in the tracee's memory, laid out as its architecture's C compiler does; and arrays of them."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping

from pyinsmod.lean import Any, NamedTuple
from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import ADDRESS
from tracer.decode.quoting import STRING_LIMIT
from tracer.decode.signature import Kind, LateReader, Reader, Show, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, pointer, unreadable
from tracer.ptrace.tracee import RawArguments

_NO_REGISTERS: RawArguments = (0, 0, 0, 0, 0, 0)


class Layout(NamedTuple):
    """A structure on one architecture: its size and alignment, and how its bytes become a JSON object."""

    size: int
    alignment: int
    decode: Callable[[Task, bytes], dict[str, Value]]


class Member(NamedTuple):
    """One member.

    `type`: a letter of the module struct (`l` and `L` are as wide as a C long, `P` is a pointer, `i`, `I`,
    `q`, `Q`, `h`, `H`, `b`, `B` as ever), `16s` for 16 bytes, a number for so many bytes of padding, or
    another structure. `kind` decodes a number, `text` bytes.
    """

    name: str
    type: str | int | Structure
    kind: Kind | None = None
    #: Bytes → value, for a member of bytes.
    text: Callable[[bytes], Value] | None = None


class Structure(NamedTuple):
    """A structure's members in memory, and which of them strace shows (None: all)."""

    members: tuple[Member, ...]
    show: Show

    def layout(self, arch: Architecture) -> Layout:
        """Return where the members are on an architecture."""
        form, alignment = "<", 1
        readers: list[tuple[str, Callable[[Task, Any], Value] | None]] = []
        for member in self.members:
            code, size, align, reader = _laid_out(member, arch)
            here = struct.calcsize(form)
            form += f"{-here % align}x" if here % align else ""
            form += code.format(size)
            alignment = max(alignment, align)
            if not isinstance(member.type, int):
                readers.append((member.name, reader))
        rest = -struct.calcsize(form) % alignment
        form += f"{rest}x" if rest else ""
        unpack = struct.Struct(form).unpack

        def decode(task: Task, data: bytes) -> dict[str, Value]:
            return {
                name: number if reader is None else reader(task, number)
                for (name, reader), number in zip(readers, unpack(data), strict=True)
            }

        return Layout(struct.calcsize(form), alignment, decode)


_SIZES = {"i": 4, "I": 4, "q": 8, "Q": 8, "h": 2, "H": 2, "b": 1, "B": 1}


def _laid_out(member: Member, arch: Architecture) -> tuple[str, int, int, Callable[[Task, Any], Value] | None]:
    """Return a member's format, size and alignment, and how its value is decoded further, if it is."""
    kind = member.type
    if isinstance(kind, int):
        return f"{kind}x", kind, 1, None
    if isinstance(kind, Structure):
        layout = kind.layout(arch)
        return f"{layout.size}s", layout.size, layout.alignment, layout.decode
    if kind.endswith("s"):
        text = member.text or _hexadecimal
        return kind, int(kind[:-1]), 1, lambda _task, data: text(data)
    code = {"l": "q" if arch.word == 8 else "i", "L": "Q" if arch.word == 8 else "I"}.get(kind, kind)
    code = ("Q" if arch.word == 8 else "I") if code == "P" else code
    size = _SIZES[code]
    align = min(size, arch.align_64)
    reader = None if member.kind is None else _member_reader(member.kind.reader(arch), size)
    return code, size, align, reader


def _member_reader(reader: Reader, size: int) -> Callable[[Task, int], Value]:
    mask = (1 << 64) - 1 if size == 8 else (1 << 32) - 1
    return lambda task, value: reader(task, value & mask, _NO_REGISTERS)


def _hexadecimal(data: bytes) -> Value:
    return data.hex()


def members(*rows: tuple[Any, ...]) -> tuple[Member, ...]:
    """Return members from tuples: (name, type), (name, type, kind), (name, type, kind, text)."""
    return tuple(Member(*row) for row in rows)


def structure(*rows: tuple[Any, ...], shown: str | None = None, more: bool = False) -> Structure:
    """Return a structure of rows as `members` takes them.

    `shown`: the names, with spaces between them, that strace shows; `more`: it ends with `...`.
    """
    parts = members(*rows)
    by_name = {member.name: _shower(member) for member in parts if not isinstance(member.type, int)}
    names = list(by_name) if shown is None else shown.split()
    return Structure(parts, shown_members({name: by_name[name] for name in names}, more=more))


def _shower(member: Member) -> Show:
    if isinstance(member.type, Structure):
        return member.type.show
    return str if member.kind is None else member.kind.show


def shown_members(shows: Mapping[str, Show], *, more: bool = False) -> Show:
    """Return how an object with these members is shown; those it has not are left out."""
    rows = tuple(shows.items())
    end = ", ...}" if more else "}"

    def show(value: Value) -> str:
        if not isinstance(value, dict) or "error" in value:
            return show_address(value)
        return "{" + ", ".join([f"{name}={shower(value[name])}" for name, shower in rows if name in value]) + end

    return show


def pointed_in(one: Structure) -> Kind:
    """Return the kind of a structure that the program gives by address."""

    def choose(arch: Architecture) -> Reader:
        layout = one.layout(arch)

        def read(task: Task, value: int, _raw: RawArguments) -> Value:
            return read_structure(task, value, layout)

        return read

    return Kind(choose, one.show)


def pointed_in_sized(one: Structure, least: int, size_at: int) -> Kind:
    """Return the kind of a structure that the program gives by address, with its size in the register `size_at`.

    Such structures grow at their end from kernel to kernel (copy_struct_from_user). What is shorter than its first
    version, of `least` bytes, stays an address; what is longer is read as far as it is known here.
    """

    def choose(arch: Architecture) -> Reader:
        layout = one.layout(arch)

        def read(task: Task, value: int, raw: RawArguments) -> Value:
            return pointer(value) if raw[size_at] < least else read_structure(task, value, layout)

        return read

    return Kind(choose, one.show)


def read_structure(task: Task, address: int, layout: Layout) -> Value:
    """Return the structure at an address."""
    data = task.read(address, layout.size) if address else b""
    return layout.decode(task, data) if len(data) == layout.size else unreadable(address)


def pointed_out(one: Structure, *, when: Callable[[int], bool] | None = None) -> Kind:
    """Return the kind of a structure that the kernel fills in; `when`: only with such results."""

    def choose(arch: Architecture) -> LateReader:
        return structure_reader(one.layout(arch), when)

    return ADDRESS._replace(late=choose, show=one.show, shown_late=True)


def structure_reader(layout: Layout, when: Callable[[int], bool] | None = None) -> LateReader:
    """Return what reads the structure that a call has filled in."""
    size, decode = layout.size, layout.decode

    def late(task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        if not value or (when is not None and not when(result)):
            return before
        data = task.read(value, size)
        return decode(task, data) if len(data) == size else before

    return late


def array_in(element: Kind, size: int, count_at: int, *, most: int = 1 << 16) -> Kind:
    """Return the kind of an array of numbers of `size` bytes that the program gives; a register has their number."""

    def choose(arch: Architecture) -> Reader:
        reader = element.reader(arch)

        def read(task: Task, value: int, raw: RawArguments) -> Value:
            return _numbers(task, value, size, min(raw[count_at] & 0xFFFFFFFF, most), reader)

        return read

    return Kind(choose, shown_list(element.show))


def array_out(element: Kind, size: int, count: Callable[[RawArguments, int], int]) -> Kind:
    """Return the kind of an array that the kernel fills in; `count` tells from registers and result how far."""

    def choose(arch: Architecture) -> LateReader:
        reader = element.reader(arch)

        def late(task: Task, value: int, raw: RawArguments, result: int, before: Value) -> Value:
            found = _numbers(task, value, size, count(raw, result), reader)
            return found if isinstance(found, list) else before

        return late

    return ADDRESS._replace(late=choose, show=shown_list(element.show), shown_late=True)


def _numbers(task: Task, address: int, size: int, count: int, reader: Reader) -> Value:
    if not address:
        return None
    data = task.read(address, size * count) if count else b""
    if len(data) < size * count:
        return unreadable(address)
    return [
        reader(task, int.from_bytes(data[start : start + size], "little"), _NO_REGISTERS)
        for start in range(0, len(data), size)
    ]


def structures(one: Structure, count: Callable[[RawArguments, int], int], *, out: bool) -> Kind:
    """Return the kind of an array of structures, given (`out` false) or filled in."""

    def read_all(task: Task, address: int, layout: Layout, number: int) -> Value:
        size = layout.size
        data = task.read(address, size * number) if number else b""
        if len(data) < size * number:
            return unreadable(address)
        return [layout.decode(task, data[start : start + size]) for start in range(0, len(data), size)]

    def choose(arch: Architecture) -> Reader:
        layout = one.layout(arch)

        def read(task: Task, value: int, raw: RawArguments) -> Value:
            return read_all(task, value, layout, count(raw, 0)) if value else None

        return read

    def choose_late(arch: Architecture) -> LateReader:
        layout = one.layout(arch)

        def late(task: Task, value: int, raw: RawArguments, result: int, before: Value) -> Value:
            return read_all(task, value, layout, count(raw, result)) if value else before

        return late

    show = shown_list(one.show)
    if out:
        return ADDRESS._replace(late=choose_late, show=show, shown_late=True)
    return Kind(choose, show)


def shown_list(show_one: Show) -> Show:
    """Return how a list is shown: at most as many elements as strace shows characters of a string."""

    def show(value: Value) -> str:
        if not isinstance(value, list):
            return show_address(value)
        shown = [show_one(each) for each in value[:STRING_LIMIT]]
        return f"[{', '.join([*shown, '...'] if len(value) > STRING_LIMIT else shown)}]"

    return show
