"""The light stand-ins for ctypes behave like what they stand for, as far as they are used."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pyinsmod import lean_ctypes

ROOT = Path(__file__).parents[3]
both = pytest.mark.parametrize("one", [ctypes, lean_ctypes], ids=["ctypes", "lean"])


@both
def test_only_what_is_loaded_is_called_by_its_name(one: ModuleType) -> None:
    library = one.PyDLL(None, use_errno=True)
    assert library.getpid() == os.getpid()
    assert library.getpid is library.getpid
    with pytest.raises(AttributeError):
        library.no_such_function  # noqa: B018


def test_another_library_is_not_opened() -> None:
    with pytest.raises(ValueError, match="loaded"):
        lean_ctypes.PyDLL("libm.so.6")


@both
def test_a_failure_leaves_its_errno(one: ModuleType) -> None:
    library = one.PyDLL(None, use_errno=True)
    assert library.close(-1) == -1
    assert one.get_errno() == errno.EBADF
    assert one.PyDLL(None).open(b"/no such file", os.O_RDONLY) == -1  # nobody asked for its errno
    assert one.get_errno() == errno.EBADF


@both
def test_addresses_and_references_reach_the_same_memory(one: ModuleType) -> None:
    library = one.PyDLL(None, use_errno=True)
    buffer = one.create_string_buffer(16)
    address = one.c_void_p(one.addressof(buffer) + 4)
    assert library.memset(address, ord("a"), 2) is not None
    assert library.memset(one.byref(buffer, 6), ord("b"), 2) is not None
    assert buffer.raw == bytes(4) + b"aabb" + bytes(8)
    assert memoryview(buffer).nbytes == one.sizeof(buffer) == 16


@both
@pytest.mark.parametrize(
    ("arguments", "wanted"), [((3,), bytes(3)), ((b"ab",), b"ab\0"), ((b"a\0b", 3), b"a\0b"), ((b"ab", 4), b"ab\0\0")]
)
def test_buffers_hold_what_they_are_given(one: ModuleType, arguments: tuple[int], wanted: bytes) -> None:
    assert one.create_string_buffer(*arguments).raw == wanted


@both
def test_numbers_have_their_width(one: ModuleType) -> None:
    assert (one.c_int32(-1).value, one.c_ulong(-1).value) == (-1, (1 << 64) - 1)
    assert one.c_void_p(1 << 63).value == 1 << 63
    with pytest.raises(TypeError):
        one.c_int32("1")


def test_ctypes_is_not_imported() -> None:
    script = "import sys; import tracer.ptrace.registers, tracer.ptrace.loop; print('ctypes' in sys.modules)"
    command = [sys.executable, "-P", "-c", script]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
