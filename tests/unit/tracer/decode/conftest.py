"""Real memory and real descriptors of this process for the decoders to look at."""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable, Iterator

import pytest

from tracer.decode.values import Task

Placer = Callable[[bytes], int]


@pytest.fixture
def task() -> Task:
    return Task(os.getpid(), "x86_64", 16)


@pytest.fixture
def place() -> Iterator[Placer]:
    """Put bytes into memory and give their address."""
    kept = []

    def placed(data: bytes) -> int:
        block = ctypes.create_string_buffer(data, len(data))
        kept.append(block)
        return ctypes.addressof(block)

    yield placed
    kept.clear()


@pytest.fixture
def edge() -> Iterator[Placer]:
    """Put bytes at the very end of readable memory: the page after them cannot be read."""
    libc = ctypes.CDLL(None, use_errno=True)
    mapping = libc.mmap
    mapping.restype = ctypes.c_void_p
    mapping.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *([ctypes.c_int] * 3), ctypes.c_long)
    pages = []

    def placed(data: bytes) -> int:
        size = mmap.PAGESIZE
        base = mapping(None, 2 * size, mmap.PROT_READ | mmap.PROT_WRITE, 0x22, -1, 0)
        assert libc.munmap(ctypes.c_void_p(base + size), ctypes.c_size_t(size)) == 0
        pages.append(base)
        start = int(base) + size - len(data)
        ctypes.memmove(start, data, len(data))
        return start

    yield placed
    for base in pages:
        libc.munmap(ctypes.c_void_p(base), ctypes.c_size_t(mmap.PAGESIZE))
