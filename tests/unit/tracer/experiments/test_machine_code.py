"""The functions we assemble, as binutils read them."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.experiments.elf_records import EM_AARCH64, EM_RISCV, EM_X86_64
from tracer.experiments.errors import UnsuitableDonor
from tracer.experiments.machine_code import MSLEEP, PRINTK, Call, FunctionPlan, machine_code

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
    with pytest.raises(UnsuitableDonor, match="258"):
        machine_code(258)


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


def words(code: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(code) // 4}I", code))


def test_a_function_that_prints_sleeps_and_returns_on_arm64() -> None:
    """As the Arm Architecture Reference Manual writes it (DDI 0487, C6.2): few binutils read both architectures."""
    function = machine_code(EM_AARCH64).assemble(FunctionPlan(b"hello", 0x12345, -19))
    assert words(function.content[: function.length]) == [
        0xD503245F,  # bti c
        0xA9BF7BFD,  # stp x29, x30, [sp, #-16]!
        0x910003FD,  # mov x29, sp
        0x10000120,  # adr x0, .+36: nine words on, behind the code
        0x94000000,  # bl, relocated
        0x528468A0,  # movz w0, #0x2345
        0x72A00020,  # movk w0, #0x1, lsl #16
        0x94000000,  # bl, relocated
        0x529FFDA0,  # movz w0, #0xffed
        0x72BFFFE0,  # movk w0, #0xffff, lsl #16
        0xA8C17BFD,  # ldp x29, x30, [sp], #16
        0xD65F03C0,  # ret
    ]
    assert function.content[function.length :] == b"hello\0"
    assert function.calls == [Call(16, PRINTK), Call(28, MSLEEP)]


def test_the_message_is_where_adr_leads() -> None:
    function = machine_code(EM_AARCH64).assemble(FunctionPlan(b"hello", 0, 0))
    (adr,) = (word for word in words(function.content[: function.length]) if word >> 24 == 0x10)
    place = words(function.content[: function.length]).index(adr) * 4
    assert place + (adr >> 5 & 0x7FFFF) * 4 == function.length


def test_a_function_that_prints_sleeps_and_returns_on_risc_v() -> None:
    """Words as LLVM's disassembler reads them."""
    function = machine_code(EM_RISCV).assemble(FunctionPlan(b"hello", 0x12345, -19))
    assert words(function.content[: function.length]) == [
        0xFF010113,  # addi sp, sp, -16
        0x00113423,  # sd ra, 8(sp)
        0x00000517,  # auipc a0, 0
        0x03450513,  # addi a0, a0, 52: from the word before on, behind the code
        0x00000097,  # auipc ra, 0, relocated
        0x000080E7,  # jalr ra, relocated with it
        0x00012537,  # lui a0, 18
        0x3455051B,  # addiw a0, a0, 837
        0x00000097,  # auipc ra, 0, relocated
        0x000080E7,  # jalr ra, relocated with it
        0x00000537,  # lui a0, 0
        0xFED5051B,  # addiw a0, a0, -19
        0x00813083,  # ld ra, 8(sp)
        0x01010113,  # addi sp, sp, 16
        0x00008067,  # ret
    ]
    assert function.content[function.length :] == b"hello\0"
    assert function.calls == [Call(16, PRINTK), Call(32, MSLEEP)]
