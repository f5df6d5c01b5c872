"""Calls that load and remove kernel modules."""

from __future__ import annotations

from typing import Any

from tracer.decode.tables import modules as table
from tracer.decode.values import Task, buffer, descriptor, flags, text
from tracer.ptrace.tracee import RawArguments

Decoded = dict[str, Any]

#: The kernel's state is worth a look at their borders.
MODULE_CALLS = frozenset(("init_module", "finit_module", "delete_module"))

# The kernel takes a string of any length (strndup_user(…, ~0UL >> 1)); this is more than any module's
# parameters.
_PARAMETER_LIMIT = 1 << 16


def finit_module_entry(task: Task, raw: RawArguments) -> Decoded:
    """finit_module(fd, param_values, flags)."""
    return {
        "fd": descriptor(task, raw[0]),
        "param_values": text(task, raw[1], _PARAMETER_LIMIT),
        "flags": flags(raw[2] & 0xFFFFFFFF, table.INIT_FLAGS),
    }


def init_module_entry(task: Task, raw: RawArguments) -> Decoded:
    """init_module(module_image, len, param_values): the image by address, length and hash."""
    return {
        "module_image": buffer(task, raw[0], raw[1], with_data=False),
        "len": raw[1],
        "param_values": text(task, raw[2], _PARAMETER_LIMIT),
    }


def delete_module_entry(task: Task, raw: RawArguments) -> Decoded:
    """delete_module(name, flags)."""
    return {"name": text(task, raw[0]), "flags": flags(raw[1] & 0xFFFFFFFF, table.DELETE_FLAGS)}
