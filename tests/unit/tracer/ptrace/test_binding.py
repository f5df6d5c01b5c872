"""The numbers of ptrace(2), held against python-ptrace's; memory, held against our own."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
from collections.abc import Iterator

import pytest
from ptrace.binding import func

from tracer.errors import PtraceFailed
from tracer.ptrace import binding


def test_a_request_for_a_vanished_process_says_so() -> None:
    assert not binding.ptrace(binding.SYSCALL, 2**22 + 1)


def test_a_refused_request_is_an_error_with_its_name() -> None:
    with pytest.raises(PtraceFailed, match="ptrace SEIZE of process") as raised:
        binding.ptrace(binding.SEIZE, os.getpid())
    assert raised.value.request == "SEIZE"


def test_a_request_that_the_kernel_has_not_got_is_eio(stopped_child: int) -> None:
    with pytest.raises(PtraceFailed) as raised:
        binding.ptrace(0x42FF, stopped_child)
    assert raised.value.errno == errno.EIO


def test_a_kernel_without_the_information_on_stops_is_told_in_one_line() -> None:
    assert "Linux 5.3" in str(PtraceFailed("GET_SYSCALL_INFO", errno.EIO, 1))
    assert "Linux 5.3" not in str(PtraceFailed("GET_SYSCALL_INFO", errno.EPERM, 1))
    assert "Linux 5.3" not in str(PtraceFailed("SYSCALL", errno.EIO, 1))


@pytest.fixture
def stopped_child() -> Iterator[int]:
    """Seize a process and have it stop."""
    with subprocess.Popen(["sleep", "100"]) as child:
        binding.ptrace(binding.SEIZE, child.pid)
        binding.ptrace(binding.INTERRUPT, child.pid)
        os.waitpid(child.pid, binding.WALL)
        yield child.pid
        child.kill()


@pytest.mark.parametrize(
    "name",
    [
        *("PTRACE_CONT", "PTRACE_DETACH", "PTRACE_SYSCALL", "PTRACE_SETOPTIONS", "PTRACE_GETEVENTMSG"),
        *("PTRACE_EVENT_FORK", "PTRACE_EVENT_VFORK", "PTRACE_EVENT_CLONE", "PTRACE_EVENT_EXEC"),
        *("PTRACE_O_TRACESYSGOOD", "PTRACE_O_TRACEFORK", "PTRACE_O_TRACEVFORK", "PTRACE_O_TRACECLONE"),
        *("PTRACE_O_TRACEEXEC", "PTRACE_GETSIGINFO"),
    ],
)
def test_constants_are_python_ptraces(name: str) -> None:
    assert getattr(binding, name.removeprefix("PTRACE_")) == getattr(func, name)


def test_the_waiting_flag_is_python_ptraces() -> None:
    assert func.THREAD_TRACE_FLAGS == binding.WALL


@pytest.mark.parametrize("address", [0, 8, 2**47, 2**63, 2**64 - 1])
def test_unmapped_memory_reads_as_nothing(address: int) -> None:
    assert binding.read_memory(os.getpid(), address, 64) == b""


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert binding.read_memory(2**22 + 1, 4096, 64) == b""


def test_memory_that_ends_gives_what_there_is() -> None:
    with mmap.mmap(-1, mmap.PAGESIZE) as page:
        page[-4:] = b"tail"
        view = ctypes.c_char.from_buffer(page)
        last = ctypes.addressof(view) + mmap.PAGESIZE - 4
        assert binding.read_memory(os.getpid(), last, 4) == b"tail"
        del view
