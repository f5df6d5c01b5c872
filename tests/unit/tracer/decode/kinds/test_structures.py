"""Structures as a C compiler lays them out; bad pointers first."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.decode.kinds.file_status import STATUS
from tracer.decode.kinds.numbers import INT
from tracer.decode.kinds.structures import pointed_in, pointed_out, structure
from tracer.decode.tables.architectures import BY_NAME
from tracer.decode.values import Task

Placer = Callable[[bytes], int]
X86_64, I386, AARCH64 = BY_NAME["x86_64"], BY_NAME["i386"], BY_NAME["aarch64"]
NOTHING = (0, 0, 0, 0, 0, 0)
MIXED = structure(("a", "b"), ("b", "q"), ("c", "h"), ("d", "l"), ("e", "P"), ("f", structure(("g", "B"), ("h", "I"))))


def test_a_structure_that_cannot_be_read_is_its_address(task: Task, edge: Placer) -> None:
    kind = pointed_in(structure(("x", "q")))
    read = kind.reader(X86_64)
    assert read(task, 0, NOTHING) is None
    assert kind.show(None) == "NULL"
    assert read(task, 16, NOTHING) == {"address": "0x10", "error": "EFAULT"}
    start = edge(bytes(7))
    assert kind.show(read(task, start, NOTHING)) == hex(start)


def test_a_structure_that_is_filled_in_stays_an_address_when_it_is_not() -> None:
    kind = pointed_out(structure(("x", "q")), when=lambda result: result > 0)
    assert kind.late is not None
    late = kind.late(X86_64)
    task = Task(os.getpid(), "x86_64", 16)
    assert late(task, 16, NOTHING, 1, "0x10") == "0x10"
    assert late(task, 16, NOTHING, 0, "0x10") == "0x10"
    assert kind.show("0x10") == "0x10"


def test_members_are_aligned_as_the_architecture_does() -> None:
    assert (MIXED.layout(X86_64).size, MIXED.layout(X86_64).alignment) == (48, 8)
    assert (MIXED.layout(AARCH64).size, MIXED.layout(AARCH64).alignment) == (48, 8)
    assert (MIXED.layout(I386).size, MIXED.layout(I386).alignment) == (32, 4)


def test_members_have_names_kinds_and_their_order(task: Task) -> None:
    data = struct.pack("<bxxxxxxxqhxxxxxxqQBxxxI", -1, -2, -3, -4, 5, 6, 7)
    found = MIXED.layout(X86_64).decode(task, data)
    assert found == {"a": -1, "b": -2, "c": -3, "d": -4, "e": 5, "f": {"g": 6, "h": 7}}
    shown = structure(("a", "h", INT), ("pad", 2), ("b", "i"), shown="b a", more=True)
    assert shown.show(shown.layout(X86_64).decode(task, struct.pack("<hxxi", -1, -2))) == "{b=-2, a=-1, ...}"


@pytest.mark.parametrize(
    ("name", "options"), [("x86_64", ["-m64"]), ("i386", ["-m32", "-I/usr/include/x86_64-linux-gnu"])]
)
def test_struct_stat_is_as_large_as_the_kernels(name: str, options: list[str], tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None or os.uname().machine != "x86_64":
        pytest.skip("needs gcc on x86-64: apt-get install gcc")
    size = STATUS[name].layout(BY_NAME[name]).size
    source = tmp_path / "size.c"
    source.write_text(f'#include <asm/stat.h>\n_Static_assert(sizeof(struct stat) == {size}, "");\n')
    subprocess.run([compiler, *options, "-c", "-o", tmp_path / "size.o", source], check=True, cwd=tmp_path)
