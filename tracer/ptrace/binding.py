"""The one place that declares ptrace(2), and the numbers that go with it; and the memory of tracees.

Constants stand here although python-ptrace has most of them: importing its bindings runs ldconfig, or a
compiler, to find the C library. A test holds the two against each other.
"""

from __future__ import annotations

import errno as errno_table
import os

from pyinsmod import lean_ctypes as ctypes
from pyinsmod.lean import Callable, struct
from tracer.errors import PtraceFailed

# <linux/ptrace.h>
CONT = 7
DETACH = 17
SYSCALL = 24
SETOPTIONS = 0x4200
GETEVENTMSG = 0x4201
GETSIGINFO = 0x4202
GETREGSET = 0x4204
SETREGSET = 0x4205
SEIZE = 0x4206
INTERRUPT = 0x4207
LISTEN = 0x4208
GET_SYSCALL_INFO = 0x420E
SET_SYSCALL_INFO = 0x4212

REQUEST_NAMES = {
    CONT: "CONT",
    DETACH: "DETACH",
    SYSCALL: "SYSCALL",
    SETOPTIONS: "SETOPTIONS",
    GETEVENTMSG: "GETEVENTMSG",
    GETSIGINFO: "GETSIGINFO",
    GETREGSET: "GETREGSET",
    SETREGSET: "SETREGSET",
    SEIZE: "SEIZE",
    INTERRUPT: "INTERRUPT",
    LISTEN: "LISTEN",
    GET_SYSCALL_INFO: "GET_SYSCALL_INFO",
    SET_SYSCALL_INFO: "SET_SYSCALL_INFO",
}

EVENT_FORK = 1
EVENT_VFORK = 2
EVENT_CLONE = 3
EVENT_EXEC = 4
EVENT_SECCOMP = 7
EVENT_STOP = 128

O_TRACESYSGOOD = 1
O_TRACEFORK = 1 << EVENT_FORK
O_TRACEVFORK = 1 << EVENT_VFORK
O_TRACECLONE = 1 << EVENT_CLONE
O_TRACEEXEC = 1 << EVENT_EXEC
O_TRACESECCOMP = 1 << EVENT_SECCOMP
O_EXITKILL = 1 << 20

# struct ptrace_syscall_info, member op.
INFO_ENTRY = 1
INFO_EXIT = 2
INFO_SECCOMP = 3

# <linux/prctl.h>, <linux/seccomp.h>.
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

# <linux/wait.h>: children of every kind, threads too.
WALL = 0x40000000


#: struct iovec, and struct sock_fprog (<linux/filter.h>). Classes of ctypes take longer to make than the calls do.
_IOVEC = struct.Struct("=2Q")
_FILTER_PROGRAM = struct.Struct("=H6xQ")

# Which keeps the interpreter's lock: neither call blocks, and handing the lock over costs more than the calls do.
_libc = ctypes.PyDLL(None, use_errno=True)

#: ptrace(request, pid, address, data) → −1 and `ctypes.get_errno()` on failure. Its arguments
#: are not declared, which halves the time of a call: numbers must fit an int, an address is a ctypes.c_void_p or,
#: quicker, what ctypes.byref made.
raw_ptrace = _libc.ptrace
#: The same for the event loop, without the errno: a tenth of its time. Asked again, `ptrace` says why it failed.
swift_ptrace = ctypes.PyDLL(None).ptrace
_prctl = _libc.prctl


def ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> bool:
    """Make a ptrace request; return whether the tracee was still there to receive it.

    Raises:
        PtraceFailed: for every errno but ESRCH, which only says that the tracee was killed meanwhile
        (ptrace(2),
            "Death under ptrace"): its end will be reported by wait.
    """
    if raw_ptrace(request, pid, ctypes.c_void_p(address), ctypes.c_void_p(data)) >= 0:
        return True
    refuse_unless_vanished(request, pid)
    return False


def refuse_unless_vanished(request: int, pid: int) -> None:
    """Raise `PtraceFailed` for the request that just failed, unless the tracee is simply gone."""
    errno = ctypes.get_errno()
    if errno != errno_table.ESRCH:
        raise PtraceFailed(REQUEST_NAMES.get(request, hex(request)), errno, pid)


class SyscallInfo:
    """struct ptrace_syscall_info, a buffer used again at each stop."""

    _layout = struct.Struct("=B3xI16x7Q")
    #: What the event loop takes out of `view`. Of an entry: op, audit architecture, number.
    call_in = struct.Struct("=B3xI16xQ").unpack_from
    #: Of an exit: op, result, whether that is an error.
    result_in = struct.Struct("=B23xqB").unpack_from

    def __init__(self) -> None:
        self.size = self._layout.size + 8  # and what a filter returned
        self._buffer = ctypes.create_string_buffer(self.size)
        #: As `raw_ptrace` takes it.
        self.address = ctypes.byref(self._buffer)
        self.view = memoryview(self._buffer).cast("B")

    def read(self, pid: int) -> bool:
        """Find out what the stop `pid` is in is about; return False when the task is gone."""
        if raw_ptrace(GET_SYSCALL_INFO, pid, self.size, self.address) >= 0:
            return True
        refuse_unless_vanished(GET_SYSCALL_INFO, pid)
        return False

    @staticmethod
    def arguments_in(count: int) -> Callable[[memoryview], tuple[int, ...]]:
        """Return what takes the first `count` arguments of an entry out of `view`."""
        return struct.Struct(f"=32x{count}Q").unpack_from

    def said(self) -> tuple[int, ...]:
        """Return what that says of an entry: op, audit architecture, number, six arguments."""
        return self._layout.unpack_from(self.view)

    def write(self, pid: int, value: int, *, is_error: bool) -> bool:
        """Hand back what was just read with another number, or another result.

        Return whether the kernel can do that (since Linux 6.16).
        """
        struct.pack_into("=Q", self._buffer, 24, value & 0xFFFFFFFFFFFFFFFF)
        if self._buffer.raw[0] == INFO_EXIT:
            struct.pack_into("=B", self._buffer, 32, is_error)
        if raw_ptrace(SET_SYSCALL_INFO, pid, self.size, self.address) >= 0:
            return True
        if ctypes.get_errno() == errno_table.EIO:
            return False
        refuse_unless_vanished(SET_SYSCALL_INFO, pid)
        return True


def event_message(pid: int) -> int:
    """Return what PTRACE_GETEVENTMSG says about the event `pid` is stopped at; 0 when it is gone."""
    message = ctypes.c_ulong()
    ptrace(GETEVENTMSG, pid, 0, ctypes.addressof(message))
    return message.value


def get_registers(pid: int, kind: int, most: int) -> bytes:
    """Return a register set (<linux/elf.h>, NT_…) of at most `most` bytes; nothing of a task that is gone."""
    target = ctypes.create_string_buffer(most)
    vector = ctypes.create_string_buffer(_IOVEC.pack(ctypes.addressof(target), most), _IOVEC.size)
    found = ptrace(GETREGSET, pid, kind, ctypes.addressof(vector))
    return target.raw[: _IOVEC.unpack(vector.raw)[1]] if found else b""


def set_registers(pid: int, kind: int, value: ctypes.Array[ctypes.c_char] | ctypes.c_int32) -> None:
    """Write a register set; nothing happens to a task that is gone."""
    vector = ctypes.create_string_buffer(_IOVEC.pack(ctypes.addressof(value), ctypes.sizeof(value)), _IOVEC.size)
    ptrace(SETREGSET, pid, kind, ctypes.addressof(vector))


_SIGNAL_INFO_SIZE = 128  # siginfo_t


def signal_information(pid: int) -> bytes | None:
    """Return the siginfo_t of the stop `pid` is in; None when it is not in one that has any, or is gone."""
    target = ctypes.create_string_buffer(_SIGNAL_INFO_SIZE)
    if raw_ptrace(GETSIGINFO, pid, 0, target) >= 0:
        return target.raw
    return None


# What a transfer of memory needs, made once; as with `raw_ptrace`, arguments are not declared. The kernel never
# transfers more at once than fits an int (MAX_RW_COUNT).
_process_vm_readv, _process_vm_writev = _libc.process_vm_readv, _libc.process_vm_writev
_SMALL = 1 << 13
_small = ctypes.create_string_buffer(_SMALL)
_small_view = memoryview(_small)
_small_address = ctypes.addressof(_small)
#: Two struct iovec: ours, and the process's.
_IOVECS = struct.Struct("=4Q")
_iovecs = ctypes.create_string_buffer(_IOVECS.size)
_ours, _theirs = ctypes.byref(_iovecs), ctypes.byref(_iovecs, _IOVECS.size // 2)
_fill = _IOVECS.pack_into


def read_memory(pid: int, address: int, length: int) -> bytes:
    """Return up to `length` bytes of a process's memory; fewer, or none, where it is not readable.

    For one thread at a time: short reads share a buffer.
    """
    if length > _SMALL:
        return _read_much(pid, address, length)
    _fill(_iovecs, 0, _small_address, length, address, length)
    count = _process_vm_readv(pid, _ours, 1, _theirs, 1, 0)
    return _small_view[:count].tobytes() if count > 0 else b""


_PAGE = os.sysconf("SC_PAGE_SIZE")
_USUAL_TEXT = 256
_text = ctypes.create_string_buffer(_USUAL_TEXT + 1)
_text_address = ctypes.addressof(_text)


def read_text(pid: int, address: int) -> bytes | None:
    """Return a short string of a process; None for one of 256 bytes or more, over a page's end, or not readable."""
    length = _PAGE - address % _PAGE
    if length > _USUAL_TEXT:
        length = _USUAL_TEXT
    _fill(_iovecs, 0, _text_address, length, address, length)
    count = _process_vm_readv(pid, _ours, 1, _theirs, 1, 0)
    text = _text.value  # to its end, or beyond what was read now
    return text if len(text) < count else None


def _read_much(pid: int, address: int, length: int) -> bytes:
    target = ctypes.create_string_buffer(length)
    _fill(_iovecs, 0, ctypes.addressof(target), length, address, length)
    count = _process_vm_readv(pid, _ours, 1, _theirs, 1, 0)
    return memoryview(target)[:count].tobytes() if count > 0 else b""


def write_memory(pid: int, address: int, data: bytes) -> bool:
    """Write to a process's memory where that is writable; return whether all was."""
    source = ctypes.create_string_buffer(data, len(data))
    _fill(_iovecs, 0, ctypes.addressof(source), len(data), address, len(data))
    return bool(_process_vm_writev(pid, _ours, 1, _theirs, 1, 0) == len(data))


def set_seccomp_filter(address: int, count: int) -> int:
    """Put a seccomp filter over this thread (prctl(2), PR_SET_SECCOMP); return 0, or the errno of the refusal."""
    program = ctypes.create_string_buffer(_FILTER_PROGRAM.pack(count, address), _FILTER_PROGRAM.size)
    if _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) == 0:
        return 0
    return ctypes.get_errno()
