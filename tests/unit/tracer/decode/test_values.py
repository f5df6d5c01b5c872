"""What all decoders share: bad pointers first."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.decode import values
from tracer.decode.tables.memory import PROT
from tracer.decode.values import Task

Placer = Callable[[bytes], int]


def test_null_is_none(task: Task) -> None:
    assert values.text(task, 0) is None
    assert values.text_list(task, 0) is None
    assert values.buffer(task, 0, 0) is None
    assert values.pointer(0) is None


@pytest.mark.parametrize("address", [1, 2**47, 2**64 - 8])
def test_a_bad_pointer_is_shown_with_efault(task: Task, address: int) -> None:
    bad = {"address": hex(address), "error": "EFAULT"}
    assert values.text(task, address) == bad
    assert values.text_list(task, address) == bad
    assert values.count_list(task, address) == bad
    assert values.buffer(task, address, 10) == bad


def test_a_string_without_an_end_before_unreadable_memory_is_efault(task: Task, edge: Placer) -> None:
    start = edge(b"abc")
    assert values.text(task, start) == {"address": hex(start), "error": "EFAULT"}


def test_a_string_that_ends_with_its_page_is_whole(task: Task, edge: Placer) -> None:
    assert values.text(task, edge(b"abc\0")) == "abc"


def test_a_string_over_the_limit_is_marked(task: Task, place: Placer) -> None:
    start = place(b"x" * 5000 + b"\0")
    assert values.text(task, start) == {"address": hex(start), "data": "x" * 4096, "truncated": True}


def test_a_buffer_that_reaches_into_unreadable_memory_is_efault(task: Task, edge: Placer) -> None:
    start = edge(b"abc")
    assert values.buffer(task, start, 4) == {"address": hex(start), "error": "EFAULT"}
    assert values.buffer(task, start, 2**40) == {"address": hex(start), "error": "EFAULT"}


def test_a_buffer_has_length_hash_and_first_bytes(task: Task, place: Placer) -> None:
    data = bytes(range(256)) * 8192
    assert values.buffer(task, place(data), len(data)) == {
        "length": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "data": "".join(chr(code) for code in range(16)),
        "truncated": True,
    }


def test_a_short_buffer_is_whole_and_its_bytes_are_kept(task: Task, place: Placer) -> None:
    result = values.buffer(task, place(b"\xff\\ok"), 4)
    assert result is not None
    assert result["data"] == "\\xff\\\\ok"
    assert "truncated" not in result


def test_an_argument_list_is_read_to_its_null(task: Task, place: Placer) -> None:
    strings = [place(b"insmod\0"), place(b"\xff.ko\0"), 1]
    array = place(struct.pack("4Q", *strings, 0))
    bad = {"address": "0x1", "error": "EFAULT"}
    assert values.text_list(task, array) == ["insmod", "\\xff.ko", bad]
    assert values.count_list(task, array) == {"address": hex(array), "count": 3}


def test_descriptors_have_paths(task: Task, tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xfe"
    number = os.open(name, os.O_CREAT | os.O_RDWR)
    try:
        assert values.descriptor(task, number) == {"value": number, "path": f"{tmp_path}/\\xfe"}
    finally:
        os.close(number)
    assert values.descriptor(task, number) == {"value": number, "path": None}
    assert values.descriptor(task, 2**64 - 1) == {"value": -1, "path": None}
    assert values.descriptor(task, 2**32 - 1) == {"value": -1, "path": None}


@pytest.mark.parametrize("value", [-100, 2**32 - 100])
def test_the_working_directory_has_a_symbol(task: Task, value: int) -> None:
    assert values.directory(task, value & (2**64 - 1)) == "AT_FDCWD"


@given(st.integers(0, 2**32 - 1))
def test_flags_lose_no_bit(value: int) -> None:
    numbers = {symbol: bits for bits, symbol in PROT}
    total = 0
    for symbol in values.flags(value, PROT):
        total |= numbers[symbol] if symbol in numbers else int(symbol, 16)
    assert total == value
