"""Calls that map memory."""

from __future__ import annotations

from typing import Any

from tracer.decode.tables import memory as table
from tracer.decode.values import Task, descriptor, flags, pointer
from tracer.ptrace.tracee import RawArguments

Decoded = dict[str, Any]


def mmap_entry(task: Task, raw: RawArguments) -> Decoded:
    """mmap(addr, length, prot, flags, fd, offset)."""
    return {
        "addr": pointer(raw[0]),
        "length": raw[1],
        "prot": flags(raw[2], table.PROT) or ["PROT_NONE"],
        "flags": _map_flags(raw[3]),
        "fd": descriptor(task, raw[4]),
        "offset": raw[5],
    }


def munmap_entry(_task: Task, raw: RawArguments) -> Decoded:
    """munmap(addr, length)."""
    return {"addr": pointer(raw[0]), "length": raw[1]}


def mprotect_entry(_task: Task, raw: RawArguments) -> Decoded:
    """mprotect(addr, len, prot)."""
    return {"addr": pointer(raw[0]), "len": raw[1], "prot": flags(raw[2], table.PROT) or ["PROT_NONE"]}


def _map_flags(value: int) -> list[str]:
    """Return the type of the mapping, which is a number in the lowest bits, then the flags."""
    kind = value & table.MAP_TYPE
    return [table.MAP_TYPES.get(kind, hex(kind)), *flags(value & ~table.MAP_TYPE, table.MAP_FLAGS)]
