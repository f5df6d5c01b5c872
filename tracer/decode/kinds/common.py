"""What the kinds share."""

from __future__ import annotations

from collections.abc import Callable

from tracer.decode.signature import Kind, Reader, Show, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task
from tracer.ptrace.tracee import RawArguments


def of_number(convert: Callable[[int], Value], show: Show = str) -> Kind:
    """Return a kind whose value is made from the register alone."""

    def read(_task: Task, value: int, _raw: RawArguments) -> Value:
        return convert(value)

    return everywhere(read, show)


def everywhere(reader: Reader, show: Show) -> Kind:
    """Return a kind that is the same on all architectures."""

    def choose(_arch: Architecture) -> Reader:
        return reader

    return Kind(choose, show)


def show_address(value: Value) -> str:
    """Show what stands for memory that was not read: an address, NULL, or `unreadable` of `values`."""
    if value is None:
        return "NULL"
    if isinstance(value, dict):
        return str(value["address"]) if value.get("address") else "NULL"
    return str(value)
