"""Change the number of the call a task is about to make, or the result of the one it made.

By PTRACE_SET_SYSCALL_INFO where the kernel has it (since Linux 6.16), else by its registers.
"""

from __future__ import annotations

import errno as errno_table

from pyinsmod import lean_ctypes as ctypes
from pyinsmod.lean import Mapping, MappingProxyType, NamedTuple
from tracer.errors import PtraceFailed
from tracer.ptrace import binding

#: The number of no system call: the kernel then leaves the call out (seccomp(2), SECCOMP_RET_TRACE).
NO_CALL = -1

# <linux/elf.h>
_NT_PRSTATUS = 1
_NT_ARM_SYSTEM_CALL = 0x404


class _Layout(NamedTuple):
    """Where the registers of NT_PRSTATUS have a call's number and result, in words of `word` bytes."""

    word: int
    result: int
    #: None: the number is a register set of its own, `_NT_ARM_SYSTEM_CALL`.
    number: int | None


#: Size of struct user_regs_struct, which tells the architectures apart, also 32-bit tasks of a 64-bit kernel.
_LAYOUTS: Mapping[int, _Layout] = MappingProxyType(
    {
        27 * 8: _Layout(8, result=10, number=15),  # x86-64: rax, orig_rax
        17 * 4: _Layout(4, result=6, number=11),  # i386: eax, orig_eax
        34 * 8: _Layout(8, result=0, number=None),  # aarch64: x0
        32 * 8: _Layout(8, result=10, number=17),  # riscv64: a0, a7
        18 * 4: _Layout(4, result=0, number=None),  # arm, of a 64-bit kernel: r0
    }
)
_LARGEST = max(_LAYOUTS)


class Registers:
    """Both ways to change a call; which of them works is found out at the first change."""

    def __init__(self, *, whole_call: bool = True) -> None:
        """`whole_call`: try PTRACE_SET_SYSCALL_INFO first."""
        self._whole_call = whole_call
        self._info = binding.SyscallInfo()

    def skip_call(self, pid: int) -> None:
        """Have the kernel leave out the call that `pid`, stopped at its entry, is about to make."""
        if not self._set_call(pid, NO_CALL):
            _set_register(pid, "number", NO_CALL)

    def set_result(self, pid: int, result: int) -> None:
        """Give `pid`, stopped at a call's exit, this result; a negative errno for an error."""
        if not self._set_call(pid, result):
            _set_register(pid, "result", result)

    def _set_call(self, pid: int, value: int) -> bool:
        """Write number or result by PTRACE_SET_SYSCALL_INFO; return False where the kernel has no such request."""
        if not self._whole_call:
            return False
        if not self._info.read(pid):
            return True  # killed
        self._whole_call = self._info.write(pid, value, is_error=-4096 < value < 0)
        return self._whole_call


def _set_register(pid: int, which: str, value: int) -> None:
    registers = binding.get_registers(pid, _NT_PRSTATUS, _LARGEST)
    if not registers:
        return  # killed
    layout = _LAYOUTS.get(len(registers))
    if layout is None:
        raise PtraceFailed("SETREGSET", errno_table.ENOSYS, pid)
    index = layout.result if which == "result" else layout.number
    if index is None:
        binding.set_registers(pid, _NT_ARM_SYSTEM_CALL, ctypes.c_int32(value))
        return
    start = index * layout.word
    register = (value & ((1 << 8 * layout.word) - 1)).to_bytes(layout.word, "little")
    new = registers[:start] + register + registers[start + layout.word :]
    binding.set_registers(pid, _NT_PRSTATUS, ctypes.create_string_buffer(new, len(new)))
