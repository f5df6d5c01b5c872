"""The real calls, with arguments no kernel accepts, then with good ones where they change nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pyinsmod import module_syscalls
from pyinsmod.errors import SystemCallFailed, errno_name

# What a kernel without module support, a process without the right, or a kernel with both may answer.
NOT_HERE = {"ENOSYS", "EPERM"}


def errno_of(failure: pytest.ExceptionInfo[SystemCallFailed]) -> str:
    return errno_name(failure.value.errno)


def test_open_keeps_call_errno_and_path(tmp_path: Path) -> None:
    with pytest.raises(SystemCallFailed) as failure:
        module_syscalls.open(str(tmp_path / "missing"), os.O_RDONLY)
    assert (failure.value.call, errno_of(failure)) == ("open", "ENOENT")
    assert "missing" in str(failure.value)


def test_read_and_close_of_a_bad_descriptor() -> None:
    with pytest.raises(SystemCallFailed) as failure:
        module_syscalls.read(-1, 10)
    assert errno_of(failure) == "EBADF"
    with pytest.raises(SystemCallFailed) as failure:
        module_syscalls.close(-1)
    assert errno_of(failure) == "EBADF"


def test_finit_module_of_a_bad_descriptor() -> None:
    with pytest.raises(SystemCallFailed) as failure:
        module_syscalls.finit_module(-1, "", 0)
    assert errno_of(failure) in NOT_HERE | {"EBADF"}


def test_init_module_of_too_few_bytes() -> None:
    with pytest.raises(SystemCallFailed) as failure:
        module_syscalls.init_module(b"no", "")
    assert errno_of(failure) in NOT_HERE | {"ENOEXEC"}


def test_delete_module_of_a_name_nothing_has() -> None:
    with pytest.raises(SystemCallFailed) as failure:
        module_syscalls.delete_module("no_module_has_this_name", os.O_NONBLOCK)
    assert errno_of(failure) in NOT_HERE | {"ENOENT"}


@pytest.mark.parametrize(("result", "number"), [(-5000, 5000), (7, 7)])
def test_a_result_that_is_neither_0_nor_minus_1_is_a_failure(result: int, number: int) -> None:
    with pytest.raises(SystemCallFailed) as failure:
        module_syscalls._done("finit_module", result)
    assert failure.value.errno == number


def test_a_file_is_read_through_its_descriptor(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"one\0two")
    descriptor = module_syscalls.open(str(tmp_path / "file"), os.O_RDONLY | os.O_CLOEXEC)
    try:
        assert module_syscalls.read(descriptor, 4) == b"one\0"
        assert module_syscalls.read(descriptor, 100) == b"two"
        assert module_syscalls.read(descriptor, 100) == b""
    finally:
        module_syscalls.close(descriptor)
