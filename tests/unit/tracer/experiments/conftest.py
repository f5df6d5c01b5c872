"""A module small enough to be written by hand, and the programs that judge what we make."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

Program = Callable[..., str]


@pytest.fixture
def tiny_image() -> bytes:
    """An ELF64 relocatable file put together here, not by the code under test.

    Sections: 1 .text (16 bytes), 2 .rela.text (one relocation: offset 4, symbol 2, type 4, addend -4),
    3 .bss (NOBITS, 64 bytes), 4 .symtab (null, local `here` in .text, global import `there`),
    5 .strtab, 6 .shstrtab; then a signature's worth of trailing bytes.
    """
    names = b"\0.text\0.rela.text\0.bss\0.symtab\0.strtab\0.shstrtab\0"
    strings = b"\0here\0there\0"
    symbols = bytes(24) + struct.pack("<IBBHQQ", 1, 0, 0, 1, 8, 0) + struct.pack("<IBBHQQ", 6, 16, 0, 0, 0, 0)
    # name, type, flags, content, size, link, info, alignment, entry size
    parts = [
        (b".text", 1, 6, b"\x90" * 16, 16, 0, 0, 16, 0),
        (b".rela.text", 4, 0x40, struct.pack("<QQq", 4, 2 << 32 | 4, -4), 24, 4, 1, 8, 24),
        (b".bss", 8, 3, b"", 64, 0, 0, 32, 0),
        (b".symtab", 2, 0, symbols, 72, 5, 2, 8, 24),
        (b".strtab", 3, 0, strings, len(strings), 0, 0, 1, 0),
        (b".shstrtab", 3, 0, names, len(names), 0, 0, 1, 0),
    ]
    body, table = bytearray(), bytearray(64)
    for name, kind, flags, content, size, link, info, alignment, entry in parts:
        body += bytes(-len(body) % alignment)
        offset = names.index(b"\0" + name + b"\0") + 1
        table += struct.pack("<IIQQQQIIQQ", offset, kind, flags, 0, 64 + len(body), size, link, info, alignment, entry)
        body += content
    body += bytes(-len(body) % 8)
    ident = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = struct.pack("<16sHHIQQQIHHHHHH", ident, 1, 62, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, 7, 6)
    return header + bytes(body) + bytes(table) + b"~Module signature appended~\n"


def _program(name: str, package: str) -> Program:
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if path is None:
        pytest.skip(f"{name} is missing: sudo apt-get install {package}")
    program = path

    def run(*arguments: str | Path) -> str:
        command = [program, *map(str, arguments)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    return run


@pytest.fixture
def objdump() -> Program:
    return _program("objdump", "binutils")


@pytest.fixture
def readelf() -> Program:
    return _program("readelf", "binutils")


@pytest.fixture
def modinfo() -> Program:
    return _program("modinfo", "kmod")


@pytest.fixture
def modprobe() -> Program:
    """Only ever asked what is in a file: `--dump-modversions` loads nothing."""
    return _program("modprobe", "kmod")
