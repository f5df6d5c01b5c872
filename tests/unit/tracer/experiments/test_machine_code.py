"""The functions we assemble, as binutils read them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.experiments.elf_records import EM_X86_64
from tracer.experiments.errors import UnsuitableDonor
from tracer.experiments.machine_code import MSLEEP, PRINTK, FunctionPlan, machine_code

Program = Callable[..., str]
Disassemble = Callable[[bytes], list[str]]


@pytest.fixture
def disassemble(objdump: Program, tmp_path: Path) -> Disassemble:
    def run(code: bytes) -> list[str]:
        path = tmp_path / "code"
        path.write_bytes(code)
        text = objdump("-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", path)
        found = re.findall(r"^\s*[0-9a-f]+:\t(.*?)\s*(?:#.*)?$", text, re.MULTILINE)
        return [re.sub(r"\s+", " ", line) for line in found]

    return run


def test_an_architecture_without_machine_code_is_named() -> None:
    with pytest.raises(UnsuitableDonor, match="243"):
        machine_code(243)


def test_a_function_that_only_returns(disassemble: Disassemble) -> None:
    function = machine_code(EM_X86_64).assemble(FunctionPlan(None, 0, -19))
    assert function.calls == []
    assert function.length == len(function.content)
    assert disassemble(function.content) == [
        "endbr64",
        "push %rbp",
        "mov %rsp,%rbp",
        "mov $0xffffffed,%eax",
        "pop %rbp",
        "ret",
    ]


def test_a_function_that_prints_sleeps_and_returns(disassemble: Disassemble) -> None:
    function = machine_code(EM_X86_64).assemble(FunctionPlan(b"\x016hello\n", 250, 0))
    code, message = function.content[: function.length], function.content[function.length :]
    assert message == b"\x016hello\n\0"
    assert disassemble(code) == [
        "endbr64",
        "push %rbp",
        "mov %rsp,%rbp",
        "lea 0x18(%rip),%rdi",
        "xor %eax,%eax",
        "call 0x16",
        "mov $0xfa,%edi",
        "call 0x20",
        "mov $0x0,%eax",
        "pop %rbp",
        "ret",
    ]
    # lea ends at 0xf; 0xf + 0x18 is where the message begins.
    assert function.length == 0xF + 0x18
    assert [(call.offset, call.role) for call in function.calls] == [(0x12, PRINTK), (0x1C, MSLEEP)]
    # The kernel refuses to relocate bytes that are not zero.
    assert all(code[call.offset : call.offset + 4] == bytes(4) for call in function.calls)
