"""The one place that declares ptrace(2) and process_vm_readv(2), with the numbers that go with them.

Constants stand here although python-ptrace has most of them: importing its bindings runs ldconfig, or a
compiler, to find the C library. A test holds the two against each other.
"""

from __future__ import annotations

import ctypes
import errno as errno_table

from tracer.errors import PtraceFailed

# <linux/ptrace.h>
CONT = 7
DETACH = 17
SYSCALL = 24
SETOPTIONS = 0x4200
GETEVENTMSG = 0x4201
GETSIGINFO = 0x4202
SEIZE = 0x4206
INTERRUPT = 0x4207
LISTEN = 0x4208
GET_SYSCALL_INFO = 0x420E

REQUEST_NAMES = {
    CONT: "CONT",
    DETACH: "DETACH",
    SYSCALL: "SYSCALL",
    SETOPTIONS: "SETOPTIONS",
    GETEVENTMSG: "GETEVENTMSG",
    GETSIGINFO: "GETSIGINFO",
    SEIZE: "SEIZE",
    INTERRUPT: "INTERRUPT",
    LISTEN: "LISTEN",
    GET_SYSCALL_INFO: "GET_SYSCALL_INFO",
}

EVENT_FORK = 1
EVENT_VFORK = 2
EVENT_CLONE = 3
EVENT_EXEC = 4
EVENT_EXIT = 6
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


class _Iovec(ctypes.Structure):
    _fields_ = (("base", ctypes.c_size_t), ("length", ctypes.c_size_t))


class _FilterProgram(ctypes.Structure):
    """struct sock_fprog (<linux/filter.h>)."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_size_t))


# PyDLL keeps the interpreter's lock: neither call blocks, and handing the lock over costs more than the
# calls do.
_libc = ctypes.PyDLL(None, use_errno=True)

#: ptrace(request, pid, address, data) → −1 and `ctypes.get_errno()` on failure; for the event loop.
raw_ptrace = _libc.ptrace
raw_ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_size_t, ctypes.c_size_t)
raw_ptrace.restype = ctypes.c_long

_process_vm_readv = _libc.process_vm_readv
_process_vm_readv.argtypes = (
    ctypes.c_int,
    ctypes.POINTER(_Iovec),
    ctypes.c_ulong,
    ctypes.POINTER(_Iovec),
    ctypes.c_ulong,
    ctypes.c_ulong,
)
_process_vm_readv.restype = ctypes.c_ssize_t

_prctl = _libc.prctl
_prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.POINTER(_FilterProgram), ctypes.c_ulong, ctypes.c_ulong)
_prctl.restype = ctypes.c_int


def ptrace(request: int, pid: int, address: int = 0, data: int = 0) -> bool:
    """Make a ptrace request; return whether the tracee was still there to receive it.

    Raises:
        PtraceFailed: for every errno but ESRCH, which only says that the tracee was killed meanwhile
        (ptrace(2),
            "Death under ptrace"): its end will be reported by wait.
    """
    if raw_ptrace(request, pid, address, data) >= 0:
        return True
    refuse_unless_vanished(request, pid)
    return False


def refuse_unless_vanished(request: int, pid: int) -> None:
    """Raise `PtraceFailed` for the request that just failed, unless the tracee is simply gone."""
    errno = ctypes.get_errno()
    if errno != errno_table.ESRCH:
        raise PtraceFailed(REQUEST_NAMES.get(request, hex(request)), errno, pid)


class SyscallInfo:
    """A buffer for PTRACE_GET_SYSCALL_INFO, used again at each stop.

    `words` is struct ptrace_syscall_info in 8-byte words: word 0 has `op` in its lowest byte and the audit
    architecture in its upper half; from word 3 on come number and arguments of an entry, or the result of
    an exit.
    """

    def __init__(self) -> None:
        self.words = (ctypes.c_uint64 * 11)()
        self._result = ctypes.c_int64.from_buffer(self.words, 24)
        self._address = ctypes.addressof(self.words)
        self._size = ctypes.sizeof(self.words)

    def read(self, pid: int) -> bool:
        """Fill the buffer from the stop `pid` is in; return whether the tracee was still there."""
        if raw_ptrace(GET_SYSCALL_INFO, pid, self._size, self._address) >= 0:
            return True
        refuse_unless_vanished(GET_SYSCALL_INFO, pid)
        return False

    def result(self) -> int:
        """Return the signed result of an exit stop."""
        return self._result.value


def event_message(pid: int) -> int:
    """Return what PTRACE_GETEVENTMSG says about the event `pid` is stopped at; 0 when it is gone."""
    message = ctypes.c_ulong()
    ptrace(GETEVENTMSG, pid, 0, ctypes.addressof(message))
    return message.value


_SIGINFO_SIZE = 128


def signal_information(pid: int) -> bytes | None:
    """Return the struct siginfo of the signal that `pid` is about to get, as this machine lays it out.

    None when the task is gone, or is stopped for another reason (a group-stop: EINVAL).
    """
    buffer = ctypes.create_string_buffer(_SIGINFO_SIZE)
    if raw_ptrace(GETSIGINFO, pid, 0, ctypes.addressof(buffer)) < 0:
        return None
    return buffer.raw


# What nearly every read of memory needs, made once: making them costs as much as the call.
_SMALL = 1 << 16
_target = ctypes.create_string_buffer(_SMALL)
_target_view = memoryview(_target)
_local = _Iovec(ctypes.addressof(_target), 0)
_remote = _Iovec(0, 0)
_local_reference = ctypes.byref(_local)
_remote_reference = ctypes.byref(_remote)


def read_memory(pid: int, address: int, length: int) -> bytes:
    """Return up to `length` bytes of a process's memory; fewer, or none, where it is not readable.

    For one thread at a time: short reads share a buffer.
    """
    if length > _SMALL:
        return _read_much(pid, address, length)
    _local.length = _remote.length = length
    _remote.base = address
    count = _process_vm_readv(pid, _local_reference, 1, _remote_reference, 1, 0)
    return _target_view[:count].tobytes() if count > 0 else b""


def _read_much(pid: int, address: int, length: int) -> bytes:
    target = ctypes.create_string_buffer(length)
    local = _Iovec(ctypes.addressof(target), length)
    remote = _Iovec(address, length)
    count = _process_vm_readv(pid, ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return ctypes.string_at(target, count) if count > 0 else b""


def set_seccomp_filter(address: int, count: int) -> int:
    """Put a seccomp filter over this thread (prctl(2), PR_SET_SECCOMP); return 0, or the errno of the refusal."""
    program = _FilterProgram(count, address)
    if _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) == 0:
        return 0
    return ctypes.get_errno()
