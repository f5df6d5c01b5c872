"""Calls shown without a record have the same text as by way of one, if they can be; unreadable strings first."""

from __future__ import annotations

import ctypes
import errno as errno_table
import os
import struct
from typing import Any

import pytest

from tracer import strace_text
from tracer.call_text import CallText, call_text
from tracer.decode.lookup import plan_of, signatures
from tracer.decode.values import TaskForText
from tracer.ptrace.tracee import PlainCall, RawArguments, ReturnedCall

ARCH = "x86_64"
SIMPLE = sorted(name for name in signatures() if call_text(name, ARCH) is not None)
TEXT = ctypes.create_string_buffer(b'a "path"\\\n\xff')
ADDRESS = ctypes.addressof(TEXT)
ME = os.getpid()
REGISTERS: list[RawArguments] = [
    (ADDRESS,) * 6,
    (3, ADDRESS, 0o102, 0o644, ADDRESS, 1),
    (ADDRESS, 0, 0xFFFFFFFF, 2**64 - 100, 16, 2**63),
    (2**64 - 100, ADDRESS, 0x80000 | 1 << 30, 0, 0, 0),
]


def of(name: str) -> CallText:
    found = call_text(name, ARCH)
    assert found is not None
    return found


def by_record(name: str, raw: RawArguments, result: int) -> str | None:
    """Decode as the recorder does for a record, and show that."""
    args = plan_of(name, ARCH).entry(TaskForText(ME, ARCH, 4096), raw)
    record: dict[str, Any] = {"type": "syscall", "pid": ME, "name": name, "args": args, "arch": ARCH}
    symbol = errno_table.errorcode[-result] if result < 0 else None
    return strace_text.line(record | {"return": -1 if symbol else result, "errno": symbol})


PLAN = object()


def begun(name: str, raw: RawArguments) -> PlainCall | None:
    """Return a call as the event loop has it when it begins; None when it is for a record."""
    view = memoryview(struct.pack("=B3xI16xQ6Q", 1, 0, 0, *raw))
    call = of(name).beginning(PLAN, lambda _pid, _view: None)(ME, view)
    assert call is None or isinstance(call, tuple)
    return call


def returned(call: PlainCall, result: int) -> ReturnedCall:
    return call, result, int(result < 0)


@pytest.mark.parametrize("address", [0, 16, 2**64 - 8])
def test_a_string_that_cannot_be_read_is_for_a_record(address: int) -> None:
    assert begun("chdir", (address, 0, 0, 0, 0, 0)) is None
    assert begun("link", (ADDRESS, address, 0, 0, 0, 0)) is None


def test_a_long_string_is_for_a_record() -> None:
    long = ctypes.create_string_buffer(b"x" * 300)
    assert begun("chdir", (ctypes.addressof(long), 0, 0, 0, 0, 0)) is None


@pytest.mark.parametrize("name", ["execve", "read", "fcntl", "stat", "no_such_call"])
def test_a_call_with_more_than_registers_and_strings_is_for_a_record(name: str) -> None:
    plain = name == "no_such_call"  # six registers in hex
    assert (call_text(name, ARCH) is not None) == plain


def test_the_calls_that_are_made_most_are_among_them() -> None:
    assert {"openat", "close", "mmap", "munmap", "access", "lseek", "unlink", "dup2", "getuid", "brk"} <= set(SIMPLE)


@pytest.mark.parametrize("name", SIMPLE)
def test_the_text_is_that_of_a_record(name: str) -> None:
    shown, compared = of(name), 0
    for raw in REGISTERS:
        call = begun(name, raw)
        for result in (0, 7, 2**40, -2, -38):
            if call is not None:
                first = shown.line(returned(call, result))
                assert first == by_record(name, raw, result)
                assert shown.seen[returned(call, result)] == first
                compared += 1
    assert compared


@pytest.mark.parametrize("name", SIMPLE)
def test_the_arguments_are_those_of_a_record(name: str) -> None:
    task = TaskForText(ME, ARCH, 4096)
    for raw in REGISTERS:
        call = begun(name, raw)
        if call is not None:
            assert of(name).arguments(*call[1:]) == plan_of(name, ARCH).entry(task, raw)


@pytest.mark.parametrize("name", ["chdir", "openat"])
@pytest.mark.parametrize(
    "content",
    [b"", b"plain", b"x" * 32, b"x" * 33, b"with space~", b"\x7f", b"\t", b"12\x001", b"\xc3\xa9", b'"', b"\\"],
)
def test_a_string_is_shown_as_by_way_of_a_record(name: str, content: bytes) -> None:
    buffer = ctypes.create_string_buffer(content)
    raw = (ctypes.addressof(buffer),) * 6
    call = begun(name, raw)
    assert call is not None
    assert call[3] == (content.partition(b"\0")[0],)
    assert of(name).line(returned(call, 0)) == by_record(name, raw, 0)


def test_what_is_remembered_is_not_taken_for_another_call() -> None:
    shown = of("openat")
    raw = (2**64 - 100, ADDRESS, 0, 0, 0, 0)
    lines = {
        shown.line(returned((PLAN, ME, raw, (b"one",)), 3)),
        shown.line(returned((PLAN, ME + 1, raw, (b"one",)), 3)),
        shown.line(returned((PLAN, ME, raw, (b"two",)), 3)),
        shown.line(returned((PLAN, ME, raw, (b"one",)), 4)),
        shown.line(returned((PLAN, ME, (5, *raw[1:]), (b"one",)), 3)),
        shown.line(returned((PLAN, ME, (*raw[:2], 1, *raw[3:]), (b"one",)), 3)),
        shown.line(returned((PLAN, ME, raw, (b"one",)), -2)),
    }
    assert len(lines) == 7


def test_no_more_is_remembered_than_is_good() -> None:
    shown = of("close")
    for number in range(5000):
        assert f"close({number})" in shown.line(returned((PLAN, ME, (number,), ()), 0))
    assert len(shown.seen) <= 512
    assert all(texts is None or len(texts) <= 512 for _, texts, _, _ in shown._texts)
