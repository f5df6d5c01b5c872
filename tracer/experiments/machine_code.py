"""Machine code of small kernel functions, one table entry for each architecture.

x86-64 encodings are those of the Intel 64 manual, volume 2; relocation types those of the x86-64 psABI
that `apply_relocate_add()` in `arch/x86/kernel/module.c` knows. AArch64: the Arm Architecture Reference Manual
(DDI 0487, C6.2), aaelf64, and `arch/arm64/kernel/module.c`. RISC-V: the unprivileged instruction set manual, chapters
RV32I and RV64I, the RISC-V ELF psABI, and `arch/riscv/kernel/module.c`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from tracer.experiments.elf_records import EM_AARCH64, EM_RISCV, EM_X86_64
from tracer.experiments.errors import UnsuitableDonor


class FunctionPlan(NamedTuple):
    """What a function does, in this order: print, sleep, return.

    `message` is a printk format without conversions, and without its NUL; `returns` is a C int.
    """

    message: bytes | None
    sleep_ms: int
    returns: int


class Call(NamedTuple):
    """A call to an imported function: `offset` is that of the bytes to be relocated."""

    offset: int
    role: str


class Function(NamedTuple):
    """Assembled bytes; `length` is that of the code, what follows is the message."""

    content: bytes
    length: int
    calls: list[Call]


class MachineCode(NamedTuple):
    """How one architecture writes functions and relocations.

    `absolute` is the relocation type for a 64-bit address, `relative` that for a 32-bit distance from the place
    itself, `call` and `call_addend` those for a call; `cut` is the one for the low 32 bits of an address, which
    no address of a module fits into.
    """

    assemble: Callable[[FunctionPlan], Function]
    alignment: int
    filler: bytes
    call: int
    call_addend: int
    absolute: int
    relative: int
    cut: int


PRINTK = "printk"
MSLEEP = "msleep"
# The names the kernel exports each under; `printk` became `_printk` in Linux 5.15 (commit 337015573718).
IMPORT_NAMES = {PRINTK: ("_printk", "printk"), MSLEEP: ("msleep",)}


def machine_code(machine: int) -> MachineCode:
    """Return the table entry for an `e_machine`.

    Raises:
        UnsuitableDonor: there is none.
    """
    found = _BY_MACHINE.get(machine)
    if found is None:
        raise UnsuitableDonor(f"no machine code is known for ELF machine {machine}")
    return found


def _assemble_x86_64(plan: FunctionPlan) -> Function:
    code = bytearray()
    calls = []

    def call(role: str) -> None:
        code.extend(b"\xe8")
        calls.append(Call(len(code), role))
        # Zero, as the kernel refuses to relocate anything else; the addend is in the relocation.
        code.extend(bytes(4))

    code += b"\xf3\x0f\x1e\xfa"  # endbr64: the kernel calls here indirectly, and may enforce IBT
    code += b"\x55\x48\x89\xe5"  # push %rbp; mov %rsp,%rbp
    message_at = 0
    if plan.message is not None:
        code += b"\x48\x8d\x3d" + bytes(4)  # lea message(%rip),%rdi
        message_at = len(code)
        code += b"\x31\xc0"  # xor %eax,%eax: no vector registers hold variable arguments
        call(PRINTK)
    if plan.sleep_ms:
        code += b"\xbf" + struct.pack("<I", plan.sleep_ms)  # mov $ms,%edi
        call(MSLEEP)
    code += b"\xb8" + struct.pack("<i", plan.returns)  # mov $returns,%eax
    code += b"\x5d\xc3"  # pop %rbp; ret
    length = len(code)
    if plan.message is not None:
        struct.pack_into("<i", code, message_at - 4, length - message_at)
        code += plan.message + b"\0"
    return Function(bytes(code), length, calls)


def _assemble_aarch64(plan: FunctionPlan) -> Function:
    words: list[int] = []
    calls = []

    def call(role: str) -> None:
        calls.append(Call(4 * len(words), role))
        words.append(0x94000000)  # bl

    def load(value: int) -> None:
        words.append(0x52800000 | (value & 0xFFFF) << 5)  # movz w0, #low
        words.append(0x72A00000 | (value >> 16 & 0xFFFF) << 5)  # movk w0, #high, lsl #16

    words += [0xD503245F]  # bti c: the kernel calls here indirectly, and may enforce BTI
    words += [0xA9BF7BFD, 0x910003FD]  # stp x29, x30, [sp, #-16]!; mov x29, sp
    message_at = len(words)
    if plan.message is not None:
        words.append(0x10000000)  # adr x0, message
        call(PRINTK)
    if plan.sleep_ms:
        load(plan.sleep_ms)
        call(MSLEEP)
    load(plan.returns)
    words += [0xA8C17BFD, 0xD65F03C0]  # ldp x29, x30, [sp], #16; ret
    message = b""
    if plan.message is not None:
        words[message_at] |= len(words) - message_at << 5  # in units of 4 bytes, which leaves the two lowest bits 0
        message = plan.message + b"\0"
    code = struct.pack(f"<{len(words)}I", *words)
    return Function(code + message, len(code), calls)


def _assemble_riscv64(plan: FunctionPlan) -> Function:
    words = [0xFF010113, 0x00113423]  # addi sp, sp, -16; sd ra, 8(sp)
    calls = []

    def call(role: str) -> None:
        calls.append(Call(4 * len(words), role))
        words.extend((0x00000097, 0x000080E7))  # auipc ra, 0; jalr ra

    def load(value: int) -> None:
        upper = value + 0x800 >> 12 & 0xFFFFF
        words.append(0x00000537 | upper << 12)  # lui a0, upper
        words.append(0x0005051B | (value & 0xFFF) << 20)  # addiw a0, a0, lower

    message_at = len(words)
    if plan.message is not None:
        words.extend((0x00000517, 0x00050513))  # auipc a0, 0; addi a0, a0, message
        call(PRINTK)
    if plan.sleep_ms:
        load(plan.sleep_ms)
        call(MSLEEP)
    load(plan.returns)
    words += [0x00813083, 0x01010113, 0x00008067]  # ld ra, 8(sp); addi sp, sp, 16; ret
    message = b""
    if plan.message is not None:
        words[message_at + 1] |= 4 * (len(words) - message_at) << 20
        message = plan.message + b"\0"
    code = struct.pack(f"<{len(words)}I", *words)
    return Function(code + message, len(code), calls)


_BY_MACHINE = {
    EM_RISCV: MachineCode(
        assemble=_assemble_riscv64,
        alignment=16,
        filler=b"\0",  # no instruction begins with sixteen zeros
        call=19,  # R_RISCV_CALL_PLT
        call_addend=0,
        absolute=2,  # R_RISCV_64
        relative=57,  # R_RISCV_32_PCREL
        cut=1,  # R_RISCV_32
    ),
    EM_AARCH64: MachineCode(
        assemble=_assemble_aarch64,
        alignment=16,
        filler=b"\0",  # udf #0
        call=283,  # R_AARCH64_CALL26
        call_addend=0,
        absolute=257,  # R_AARCH64_ABS64
        relative=261,  # R_AARCH64_PREL32
        cut=258,  # R_AARCH64_ABS32
    ),
    EM_X86_64: MachineCode(
        assemble=_assemble_x86_64,
        alignment=16,
        filler=b"\xcc",  # int3, as the kernel's own padding
        call=4,  # R_X86_64_PLT32
        call_addend=-4,  # the address is counted from the instruction's end
        absolute=1,  # R_X86_64_64
        relative=2,  # R_X86_64_PC32
        cut=10,  # R_X86_64_32
    ),
}
