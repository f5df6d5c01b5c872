"""Each family of calls, with the registers and memory a program would have; bogus arguments first."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tracer.decode.kinds.opening import open_flags
from tracer.decode.lookup import FAMILIES, plan_of, signatures
from tracer.decode.tables.signals import CLASSIC_SIGNALS
from tracer.decode.values import Task
from tracer.ptrace.tracee import RawArguments

Placer = Callable[[bytes], int]
BAD = {"address": "0x10", "error": "EFAULT"}


def raw(*values: int) -> RawArguments:
    padded = [value & (2**64 - 1) for value in values] + [0] * (6 - len(values))
    return (padded[0], padded[1], padded[2], padded[3], padded[4], padded[5])


def entry(task: Task, call: str, *arguments: int) -> dict[str, Any]:
    return plan_of(call, task.arch).entry(task, raw(*arguments))


@pytest.mark.parametrize("call", sorted(signatures()))
@pytest.mark.parametrize("value", [0, 16, -1, 2**63])
def test_no_register_makes_a_decoder_fail(task: Task, call: str, value: int) -> None:
    decoder = plan_of(call, task.arch)
    decoded = decoder.entry(task, raw(*[value] * 6))
    for leave in (decoder.exit, decoder.exit_failed):
        if leave is not None:
            leave(task, raw(*[value] * 6), 8, decoded)
    json.dumps(decoded, allow_nan=False)


def test_a_call_without_a_decoder_is_raw(task: Task) -> None:
    assert entry(task, "bpf", 0x7F00, -1)["arg0"] == "0x7f00"
    assert entry(task, "bpf", 0x7F00, -1)["arg1"] == "0xffffffffffffffff"
    assert list(entry(task, "bpf")) == [f"arg{index}" for index in range(6)]


def test_finit_module(task: Task, place: Placer, tmp_path: Path) -> None:
    assert entry(task, "finit_module", -1, 16, 0xF0000002) == {
        "fd": {"value": -1, "path": None},
        "param_values": BAD,
        "flags": ["MODULE_INIT_IGNORE_VERMAGIC", "0xf0000000"],
    }
    (tmp_path / "hello.ko").touch()
    number = os.open(tmp_path / "hello.ko", os.O_RDONLY)
    try:
        assert entry(task, "finit_module", number, place(b"\0"), 0) == {
            "fd": {"value": number, "path": str(tmp_path / "hello.ko")},
            "param_values": "",
            "flags": [],
        }
    finally:
        os.close(number)


def test_init_module(task: Task, place: Placer) -> None:
    image = b"\x7fELF" + bytes(5000)
    address = place(image)
    decoded = entry(task, "init_module", address, len(image), place(b"who=world\0"))
    assert decoded == {
        "module_image": {
            "address": hex(address),
            "length": 5004,
            "sha256": hashlib.sha256(image).hexdigest(),
        },
        "len": 5004,
        "param_values": "who=world",
    }
    assert entry(task, "init_module", 16, 5, 16) == {"module_image": BAD, "len": 5, "param_values": BAD}


def test_delete_module(task: Task, place: Placer) -> None:
    decoded = entry(task, "delete_module", place(b"hello\0"), os.O_NONBLOCK | os.O_TRUNC)
    assert decoded == {"name": "hello", "flags": ["O_NONBLOCK", "O_TRUNC"]}


def test_the_mode_is_shown_where_the_kernel_looks_at_it(task: Task, place: Placer) -> None:
    name = place(b"x\0")
    assert entry(task, "openat", -100, name, os.O_CLOEXEC, 0o644) == {
        "dirfd": "AT_FDCWD",
        "pathname": "x",
        "flags": ["O_RDONLY", "O_CLOEXEC"],
    }
    created = entry(task, "open", name, os.O_CREAT | os.O_WRONLY, 0o644)
    assert created == {"pathname": "x", "flags": ["O_WRONLY", "O_CREAT"], "mode": "0644"}
    assert entry(task, "open", name, os.O_TMPFILE | os.O_RDWR, 0)["mode"] == "000"


@pytest.mark.parametrize(
    ("value", "arch", "symbols"),
    [
        (os.O_RDWR | os.O_SYNC, "x86_64", ["O_RDWR", "O_SYNC"]),
        (os.O_DSYNC | os.O_WRONLY, "x86_64", ["O_WRONLY", "O_DSYNC"]),
        (os.O_TMPFILE, "x86_64", ["O_RDONLY", "O_TMPFILE"]),
        (os.O_DIRECTORY | os.O_NONBLOCK, "x86_64", ["O_RDONLY", "O_NONBLOCK", "O_DIRECTORY"]),
        (0o40000, "aarch64", ["O_RDONLY", "O_DIRECTORY"]),
        (0x80000000, "x86_64", ["O_RDONLY", "0x80000000"]),
    ],
)
def test_open_flags(value: int, arch: str, symbols: list[str]) -> None:
    assert open_flags(value, arch) == symbols


def test_what_was_read_is_shown_at_the_exit(task: Task, place: Placer) -> None:
    address = place(b"\x7fELF-rest")
    arguments = raw(-1, address, 832, 64)
    decoder = plan_of("pread64", task.arch)
    decoded = decoder.entry(task, arguments)
    assert list(decoded) == ["fd", "buf", "count", "offset"]
    assert decoded["buf"] == {"address": hex(address)}
    assert decoder.exit is not None
    decoder.exit(task, arguments, 4, decoded)
    sha256 = hashlib.sha256(b"\x7fELF").hexdigest()
    assert decoded["buf"] == {"length": 4, "sha256": sha256, "data": "\x7fELF"}
    assert list(decoded) == ["fd", "buf", "count", "offset"]
    assert decoded["offset"] == 64


def test_a_vector_is_a_list_of_buffers(task: Task, place: Placer) -> None:
    vector = place(struct.pack("4Q", place(b"in"), 2, place(b"smod"), 4))
    decoded = entry(task, "writev", 2, vector, 2)
    assert [part["data"] for part in decoded["iov"]] == ["in", "smod"]
    assert entry(task, "writev", 2, 16, 2)["iov"] == BAD


def test_mmap(task: Task) -> None:
    assert entry(task, "mmap", 0, 4096, 5, 0x802, -1, 0x1000) == {
        "addr": None,
        "length": 4096,
        "prot": ["PROT_READ", "PROT_EXEC"],
        "flags": ["MAP_PRIVATE", "MAP_DENYWRITE"],
        "fd": {"value": -1, "path": None},
        "offset": 0x1000,
    }
    assert entry(task, "mmap", 0, 1, 0, 0x22)["prot"] == ["PROT_NONE"]
    assert entry(task, "mmap", 0, 1, 1, 0x2000000)["flags"] == ["0x0", "0x2000000"]
    assert entry(task, "mmap", 0, 1, 1, 0x54040022)["flags"][-2:] == ["MAP_HUGETLB", "21<<MAP_HUGE_SHIFT"]


def test_lseek_counts_backwards(task: Task) -> None:
    assert entry(task, "lseek", 1, -8, 2)["offset"] == -8
    assert entry(task, "lseek", 1, 0, 2)["whence"] == "SEEK_END"
    assert entry(task, "lseek", 1, 0, 99)["whence"] == "0x63"


def test_execve_shows_arguments_and_only_the_size_of_the_environment(task: Task, place: Placer) -> None:
    argv = place(struct.pack("2Q", place(b"ls\0"), 0))
    envp = place(struct.pack("2Q", place(b"TOKEN=secret\0"), 0))
    assert entry(task, "execve", place(b"/bin/ls\0"), argv, envp) == {
        "pathname": "/bin/ls",
        "argv": ["ls"],
        "envp": {"address": hex(envp), "count": 1},
    }


def test_an_exit_status_is_an_int(task: Task) -> None:
    assert entry(task, "exit_group", 2**32 - 1) == {"status": -1}


def test_no_call_is_in_two_tables() -> None:
    """They are looked into one after the other, and a later one would never be asked."""
    tables = [importlib.import_module(f"tracer.decode.calls.{family}").CALLS for family in FAMILIES]
    assert sum(map(len, tables)) == len(signatures())


def test_signals_have_pythons_names() -> None:
    assert [signal.Signals(number).name for number in range(1, len(CLASSIC_SIGNALS) + 1)] == list(CLASSIC_SIGNALS)
