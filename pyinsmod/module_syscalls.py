"""The system calls of a module loader, made through ctypes, and nothing else.

Each function has the name and the argument order of its manual page: open(2), read(2), close(2),
init_module(2), finit_module(2), delete_module(2). `_checked` is the one way from errno to an exception. open,
read and close are libc's own; glibc wraps none of the module calls for new programs, so those go through
syscall(2) by number.
"""

from __future__ import annotations

import ctypes
import errno
import os
from ctypes import c_char_p, c_int, c_long, c_size_t, c_ssize_t, c_uint, c_ulong, c_void_p

from pyinsmod.errors import SystemCallFailed

# arch/x86/entry/syscalls/syscall_64.tbl; include/uapi/asm-generic/unistd.h for the others.
_GENERIC = {"init_module": 105, "delete_module": 106, "finit_module": 273}
NUMBERS = {
    "x86_64": {"init_module": 175, "delete_module": 176, "finit_module": 313},
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
}

# read(2) transfers at most this much at once.
LARGEST_READ = 0x7FFFF000

_libc = ctypes.CDLL(None, use_errno=True)

_open = _libc["open"]
_open.argtypes, _open.restype = [c_char_p, c_int], c_int
_read = _libc["read"]
_read.argtypes, _read.restype = [c_int, c_void_p, c_size_t], c_ssize_t
_close = _libc["close"]
_close.argtypes, _close.restype = [c_int], c_int
# `_libc[name]` makes a new function object each time, so that each call has its own prototype.
_init_module = _libc["syscall"]
_init_module.argtypes, _init_module.restype = [c_long, c_char_p, c_ulong, c_char_p], c_long
_finit_module = _libc["syscall"]
_finit_module.argtypes, _finit_module.restype = [c_long, c_int, c_char_p, c_int], c_long
_delete_module = _libc["syscall"]
_delete_module.argtypes, _delete_module.restype = [c_long, c_char_p, c_uint], c_long


def open(pathname: str, flags: int) -> int:  # noqa: A001 - the manual page's name is the point of this module
    """Open a file and return its descriptor.

    Raises:
        SystemCallFailed: with the errno of open(2).
    """
    return _checked("open", _open(os.fsencode(pathname), flags), pathname)


def read(fd: int, count: int) -> bytes:
    """Return up to `count` bytes from the descriptor's position; none at the end of the file.

    Raises:
        SystemCallFailed: with the errno of read(2).
    """
    buffer = ctypes.create_string_buffer(min(count, LARGEST_READ))
    length = _checked("read", _read(fd, buffer, len(buffer)))
    return ctypes.string_at(buffer, length)


def close(fd: int) -> None:
    """Close a descriptor.

    Raises:
        SystemCallFailed: with the errno of close(2).
    """
    _checked("close", _close(fd))


def init_module(module_image: bytes, param_values: str) -> None:
    """Load a module from memory.

    Raises:
        SystemCallFailed: with the errno of init_module(2), or what the module's own init function returned.
    """
    arguments = module_image, len(module_image), os.fsencode(param_values)
    _done("init_module", _init_module(_number("init_module"), *arguments))


def finit_module(fd: int, param_values: str, flags: int) -> None:
    """Load a module from an open file.

    Raises:
        SystemCallFailed: with the errno of finit_module(2), or what the module's own init function returned.
    """
    _done("finit_module", _finit_module(_number("finit_module"), fd, os.fsencode(param_values), flags))


def delete_module(name: str, flags: int) -> None:
    """Remove a module.

    Raises:
        SystemCallFailed: with the errno of delete_module(2).
    """
    _done("delete_module", _delete_module(_number("delete_module"), os.fsencode(name), flags))


def _number(call: str) -> int:
    """Return the call's number here; an architecture without a row in the table has no such call for us."""
    numbers = NUMBERS.get(os.uname().machine)
    if numbers is None:
        raise SystemCallFailed(call, errno.ENOSYS, f"on {os.uname().machine}")
    return numbers[call]


def _checked(call: str, result: int, subject: str = "") -> int:
    """Return the result, or raise with the thread's errno if it is -1."""
    if result == -1:
        raise SystemCallFailed(call, ctypes.get_errno(), subject)
    return int(result)


def _done(call: str, result: int) -> None:
    """Accept 0 only.

    An init function may return a number below -4095, which libc does not take for an error: it comes back as
    it is, and errno is stale. The module is not loaded then.
    """
    if _checked(call, result) != 0:
        raise SystemCallFailed(call, abs(result))
