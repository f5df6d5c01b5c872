"""A seccomp filter in the command, so that only calls of interest stop (seccomp(2), SECCOMP_RET_TRACE).

Without it every call stops twice. With it a call of interest stops at its entry, and at its exit when that is
wanted; any other one runs as if untraced.

The filter is installed by the child just before it executes the command, and only where the kernel takes it
from a process that has not set no_new_privs, which asks for CAP_SYS_ADMIN (or where that flag was set
already): setting it would change what set-user-ID programs do. Elsewhere every call stops, as ever.

The command keeps its filter to its end, as do its descendants. Without a tracer the filtered calls would fail
with ENOSYS, but there is no such time: PTRACE_O_EXITKILL ends all of them with the tracer.

A filter that the command installs itself comes before ours when it refuses a call: that call would never
stop. So installing one stops too, and from then on every call does.
"""

from __future__ import annotations

import errno as errno_table
import os

from pyinsmod import lean_ctypes as ctypes
from pyinsmod.lean import Mapping, NamedTuple, struct
from tracer.ptrace import binding
from tracer.ptrace.tracee import Interest


class Installers(NamedTuple):
    """Numbers of the calls by which a program gets a seccomp filter of its own, on one architecture."""

    prctl: frozenset[int]
    seccomp: frozenset[int]


# <linux/seccomp.h>
_RET_TRACE = 0x7FF00000
_RET_ALLOW = 0x7FFF0000
_SET_MODES = (0, 1)  # SECCOMP_SET_MODE_STRICT, SECCOMP_SET_MODE_FILTER

# struct seccomp_data: where the number, the audit architecture and the first argument's lower half are on a
# little-endian machine.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16

# <linux/bpf_common.h>: BPF_LD|BPF_W|BPF_ABS, BPF_JMP|BPF_JEQ|BPF_K, BPF_JMP|BPF_JA, BPF_RET|BPF_K.
_LOAD, _JUMP_IF_EQUAL, _JUMP, _RETURN = 0x20, 0x15, 0x05, 0x06
#: struct sock_filter: code, jumps when true and when false, operand.
_INSTRUCTION = struct.Struct("=HBBI")

_NOWHERE = 1  # not NULL, which is refused before permissions are looked at
_MOST_INSTRUCTIONS = 4096  # BPF_MAXINSNS


def permitted() -> bool:
    """Whether this process, and so its children, may install a filter without giving anything up.

    Asked with a program at an address where nothing is: the kernel looks at permissions first, then fails to
    read it (EFAULT), and nothing is installed (seccomp_prepare_filter).
    """
    return binding.set_seccomp_filter(_NOWHERE, 1) == errno_table.EFAULT


def filter_program(interest: Interest, installers: Mapping[int, Installers]) -> bytes | None:
    """Return a filter that stops the calls of interest; None when all calls are, or they are too many for one."""
    code = [_instruction(_LOAD, _ARCHITECTURE)]
    for audit, numbers in interest.items():
        if numbers is None:
            return None
        section = _section(numbers, installers[audit])
        code += [_instruction(_JUMP_IF_EQUAL, audit, 1, 0), _instruction(_JUMP, len(section)), *section]
    code.append(_instruction(_RETURN, _RET_TRACE))
    return b"".join(code) if len(code) <= _MOST_INSTRUCTIONS else None


def install(program: bytes) -> None:
    """Put the filter over this process; OSError when the kernel refuses."""
    block = ctypes.create_string_buffer(program, len(program))
    errno = binding.set_seccomp_filter(ctypes.addressof(block), len(program) // _INSTRUCTION.size)
    if errno:
        raise OSError(errno, os.strerror(errno))


def installs_filter(number: int, first_argument: int, installers: Installers) -> bool:
    """Whether this call gives its program a filter of its own."""
    first_argument &= 0xFFFFFFFF
    if number in installers.seccomp:
        return first_argument in _SET_MODES
    return number in installers.prctl and first_argument == binding.PR_SET_SECCOMP


def _section(numbers: frozenset[int], installers: Installers) -> list[bytes]:
    """Return the filter of one architecture. Jumps stay short, whatever the number of calls."""
    trace = _instruction(_RETURN, _RET_TRACE)
    allow = _instruction(_RETURN, _RET_ALLOW)
    code = [_instruction(_LOAD, _NUMBER)]
    for number in sorted(numbers | installers.seccomp):
        code += [_instruction(_JUMP_IF_EQUAL, number, 0, 1), trace]
    for number in installers.prctl - numbers:
        code += [_instruction(_JUMP_IF_EQUAL, number, 1, 0), allow, _instruction(_LOAD, _FIRST_ARGUMENT)]
        code += [_instruction(_JUMP_IF_EQUAL, binding.PR_SET_SECCOMP, 0, 1), trace]
    return [*code, allow]


def _instruction(code: int, operand: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return _INSTRUCTION.pack(code, if_true, if_false, operand)
