"""What the kinds share."""

from __future__ import annotations

from collections.abc import Callable

from tracer.decode.signature import Kind, Reader, Show, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, pointer
from tracer.ptrace.tracee import RawArguments


def of_number(convert: Callable[[int], Value], show: Show = str) -> Kind:
    """Return a kind whose value is made from the register alone."""

    def read(_task: Task, value: int, _raw: RawArguments) -> Value:
        return convert(value)

    return everywhere(read, show)._replace(in_register=True)


def everywhere(reader: Reader, show: Show) -> Kind:
    """Return a kind that is the same on all architectures."""

    def choose(_arch: Architecture) -> Reader:
        return reader

    return Kind(choose, show)


def address_when_failed(kind: Kind) -> Kind:
    """Return the kind of what strace reads only when the call has ended, and not when it has failed."""

    def late(_task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        return {"address": pointer(value), "given": before} if result < 0 and value else before

    def show(value: Value) -> str:
        return show_address(value) if isinstance(value, dict) and "given" in value else kind.show(value)

    return kind._replace(show=show, late=lambda _arch: late, also_failed=True, in_register=False, is_string=False)


def show_address(value: Value) -> str:
    """Show what stands for memory that was not read: an address, NULL, or `unreadable` of `values`."""
    if value is None:
        return "NULL"
    if isinstance(value, dict):
        return str(value["address"]) if value.get("address") else "NULL"
    return str(value)
