"""The parameters of a module as the kernel sees them: `struct kernel_param` in the section `__param`.

.modinfo has names and types too (`parm=`, `parmtype=`), for people; the kernel reads none of that. It calls the `set`
function of a parameter's `ops`, and which one that is stands in the relocations (include/linux/moduleparam.h).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from pyinsmod import elf_format as elf
from pyinsmod.elf_format import Section
from pyinsmod.errors import MalformedModule
from pyinsmod.module_image import ModuleImage

# struct kernel_param of 64-bit kernels: pointers to name, module, ops; perm, level, flags; pointer to what it sets.
ENTRY = struct.Struct("<QQQHbB4xQ")
NAME_AT, OPS_AT, ARGUMENT_AT = 0, 16, 32
UNSAFE, HARDWARE = 1, 2

# struct kernel_param_ops: flags (bit 0: no value needed), then pointers to set, get, free.
OPS_SET_AT = 8
# struct kparam_array: max, elemsize, pointers to num, ops, elem. struct kparam_string: maxlen, pointer.
ARRAY_OPS_AT = 16
_WORD = struct.Struct("<I")

NEEDS_NO_VALUE = frozenset({"bool", "bool_enable_only", "bint"})
OPS_PREFIX, SET_PREFIX = "param_ops_", "param_set_"
# The set functions that kernel/params.c offers to modules, by what is between these prefixes.
TYPES = frozenset(
    {"byte", "short", "ushort", "int", "uint", "long", "ulong", "ullong", "hexint"}
    | {"charp", "string", "bool", "invbool", "bint", "bool_enable_only"}
)


class KernelParameter(NamedTuple):
    """One parameter.

    Attributes:
        name: its name, as `/sys/module/NAME/parameters` has it.
        type: how a value is read, one of TYPES; None for a function of the module's own.
        needs_value: whether the kernel asks for `=VALUE`; None when that cannot be known.
        array_max: how many values an array takes; None for no array.
        room: bytes of a string's buffer, NUL included; None for others.
        permissions: mode of the file in sysfs, 0 for none.
        unsafe: whether setting it taints the kernel (U).
        hardware: whether setting it is forbidden under lockdown.
        settable: whether there is a set function at all; the kernel does not ask.
        preset: whether the byte it sets is something else than 0 before.
    """

    name: str
    type: str | None
    needs_value: bool | None = True
    array_max: int | None = None
    room: int | None = None
    permissions: int = 0
    unsafe: bool = False
    hardware: bool = False
    settable: bool = True
    preset: bool = False


class _Ops(NamedTuple):
    type: str | None
    needs_value: bool | None
    settable: bool = True


class _Pointer(NamedTuple):
    """Where a relocation points: to a symbol of somebody else by name, or to a place of an own section."""

    symbol: str
    section: int = 0
    offset: int = 0


def parameters_of(image: ModuleImage) -> tuple[KernelParameter, ...]:
    """Return a module's parameters in the kernel's order; where two have one name, the first counts.

    Raises:
        MalformedModule: what describes them is damaged.
    """
    return _Reader(image).parameters()


class _Reader:
    """Follows pointers of an image that was not loaded: by the relocations that would fill them."""

    def __init__(self, image: ModuleImage) -> None:
        self._image = image
        self._pointers: dict[int, dict[int, _Pointer]] = {}

    def parameters(self) -> tuple[KernelParameter, ...]:
        """See parameters_of."""
        section = next((one for one in self._image.sections if one.name == "__param" and one.in_memory), None)
        if section is None:
            return ()
        raw = self._image.section_bytes(section)
        entries = range(0, len(raw) - ENTRY.size + 1, ENTRY.size)
        return tuple(self._parameter(section.number, at, raw) for at in entries)

    def _parameter(self, section: int, at: int, raw: bytes) -> KernelParameter:
        *_, permissions, _, flags, _ = ENTRY.unpack_from(raw, at)
        name = self._string(self._pointer(section, at + NAME_AT))
        ops, argument = self._pointer(section, at + OPS_AT), self._pointer(section, at + ARGUMENT_AT)
        array_max = room = None
        if ops is not None and ops.symbol == "param_array_ops":
            array_max, kind = (
                self._word(argument),
                self._ops(self._follow(argument, ARRAY_OPS_AT))._replace(needs_value=True),
            )
        else:
            kind = self._ops(ops)
        if kind.type == "string":
            room = self._word(argument)
        return KernelParameter(
            name,
            kind.type,
            kind.needs_value,
            array_max,
            room,
            permissions,
            bool(flags & UNSAFE),
            bool(flags & HARDWARE),
            kind.settable,
            kind.type == "bool_enable_only" and bool(self._bytes(argument, 1).strip(b"\0")),
        )

    def _ops(self, pointer: _Pointer | None) -> _Ops:
        """Say what a pointer to struct kernel_param_ops comes to."""
        if pointer is None:
            return _Ops(None, None)
        if pointer.symbol:
            kind = _type(pointer.symbol, OPS_PREFIX)
            return _Ops(kind, None if kind is None else kind not in NEEDS_NO_VALUE)
        set_function = self._follow(pointer, OPS_SET_AT)
        needs_value = not self._word(pointer) & 1
        if set_function is None:
            return _Ops(None, needs_value, settable=False)
        return _Ops(_type(set_function.symbol, SET_PREFIX), needs_value)

    # --- places

    @cached_property
    def _symbols(self) -> tuple[elf.Symbol, ...]:
        return self._image.symbols

    def _pointer(self, section: int, at: int) -> _Pointer | None:
        """Return what the loader will write at a place of a section; None for nothing."""
        known = self._pointers.get(section)
        if known is None:
            known = self._pointers[section] = dict(self._relocated(section))
        return known.get(at)

    def _relocated(self, section: int) -> Iterator[tuple[int, _Pointer]]:
        for table in self._image.sections:
            if table.type != elf.SHT_RELA or table.info != section:
                continue
            raw = self._image.section_bytes(table)
            for offset, info, addend in elf.RELA.iter_unpack(raw[: len(raw) - len(raw) % elf.RELA.size]):
                yield offset, self._target(info >> 32, addend)

    def _target(self, number: int, addend: int) -> _Pointer:
        if number >= len(self._symbols):
            raise MalformedModule(f"a relocation uses symbol {number} of {len(self._symbols)}")
        symbol = self._symbols[number]
        if symbol.section == elf.SHN_UNDEF:
            return _Pointer(symbol.name)
        return _Pointer("", symbol.section, symbol.value + addend)

    def _follow(self, pointer: _Pointer | None, at: int) -> _Pointer | None:
        """Return the pointer that stands `at` bytes behind where another one points."""
        return None if pointer is None or pointer.symbol else self._pointer(pointer.section, pointer.offset + at)

    def _section(self, pointer: _Pointer) -> Section:
        if not 0 < pointer.section < len(self._image.sections):
            raise MalformedModule(f"a parameter lies in section {pointer.section}, which does not exist")
        return self._image.sections[pointer.section]

    def _bytes(self, pointer: _Pointer | None, length: int) -> bytes:
        """Return the bytes at a place; nothing where there are none in the file (.bss)."""
        if pointer is None or pointer.symbol or pointer.offset < 0:
            return b""
        return self._image.section_bytes(self._section(pointer))[pointer.offset : pointer.offset + length]

    def _word(self, pointer: _Pointer | None) -> int:
        raw = self._bytes(pointer, _WORD.size)
        if len(raw) < _WORD.size:
            raise MalformedModule("a parameter's description lies outside its section")
        return int(_WORD.unpack(raw)[0])

    def _string(self, pointer: _Pointer | None) -> str:
        if pointer is None or pointer.symbol:
            raise MalformedModule("a parameter has no name")
        content = self._image.section_bytes(self._section(pointer))
        end = content.find(b"\0", pointer.offset)
        if pointer.offset < 0 or end < 0:
            raise MalformedModule("a parameter's name lies outside its section")
        return elf.text(content[pointer.offset : end])


def _type(symbol: str, prefix: str) -> str | None:
    """Return the type that an exported ops structure or set function is for; None for one that is not known."""
    if symbol == "param_set_copystring":
        return "string"
    kind = symbol.removeprefix(prefix)
    return kind if symbol.startswith(prefix) and kind in TYPES else None
