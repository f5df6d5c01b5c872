"""Take hold of processes that run already, and let go of them so that they cannot tell (ptrace(2))."""

from __future__ import annotations

import errno as errno_table
import os
import time
from _thread import get_native_id

from pyinsmod import lean_ctypes as ctypes
from pyinsmod.lean import TYPE_CHECKING, Iterable, signals
from tracer.ptrace import binding

if TYPE_CHECKING:
    from tracer.errors import NotAttached
    from tracer.ptrace.refusals import Identity

#: What is reported of every tracee. Without O_EXITKILL: when the tracer dies, the kernel lets its tracees go on.
OPTIONS = (
    binding.O_TRACESYSGOOD
    | binding.O_TRACEFORK
    | binding.O_TRACEVFORK
    | binding.O_TRACECLONE
    | binding.O_TRACEEXEC
    | binding.O_TRACESECCOMP
)

#: Seconds to wait for tasks that do not stop, for example a parent in vfork(2), before leaving them to the kernel.
PATIENCE = 2.0
_POLL_SECONDS = 0.0005
_SIGNAL_INFO_CODE = 8  # offset of si_code in siginfo_t (<asm-generic/siginfo.h>)
_SYSCALL_STOP_CODE = signals.SIGTRAP | 0x80


def seize_all(pids: Iterable[int]) -> list[int]:
    """Seize all threads of these processes and have them stop; return the threads' ids.

    Raises:
        NotAttached: for the first process that is not to be had; those seized before it are let go.
    """
    seized: list[int] = []
    try:
        for pid in pids:
            seized += _seize_process(pid, seized)
    except BaseException:
        let_go(seized)
        raise
    for task in seized:
        binding.ptrace(binding.INTERRUPT, task)
    return seized


def let_go(tasks: Iterable[int]) -> list[int]:
    """Detach from these tasks; return those that would not stop, which the kernel frees when this thread ends.

    A task must stand still to be detached. It takes along the signal it was about to get; a stopped one stays
    stopped, and a call that was cut short is restarted by the kernel.
    """
    waiting = set(tasks)
    for task in waiting:
        binding.ptrace(binding.INTERRUPT, task)  # also ends LISTEN, in which a task cannot be detached
    deadline = time.monotonic() + PATIENCE
    while True:
        waiting = {task for task in waiting if not _detached(task)}
        if not waiting or time.monotonic() > deadline:
            return sorted(waiting)
        time.sleep(_POLL_SECONDS)


def _seize_process(pid: int, already: Iterable[int]) -> list[int]:
    """Seize one thread after the other, until there is no new one: those may start threads meanwhile."""
    seized: list[int] = []
    passed_over = set(already)
    while True:
        new = [task for task in _threads(pid) if task not in passed_over]
        if not new:
            break
        for task in new:
            passed_over.add(task)
            if _seize(task):
                seized.append(task)
    if not seized and pid not in already:
        raise _refusal(pid, errno_table.ESRCH)
    return seized


def _seize(task: int) -> bool:
    """Seize one thread; return False for one that has ended, or is ours already, started by a seized one."""
    if binding.raw_ptrace(binding.SEIZE, task, 0, OPTIONS) >= 0:
        return True
    errno = ctypes.get_errno()
    now = _identity(task)
    if not now.state or now.state in "ZX" or now.tracer == get_native_id():
        return False
    raise _refusal(task, errno)


def _threads(pid: int) -> list[int]:
    try:
        return sorted(int(name) for name in os.listdir(f"/proc/{pid}/task"))  # noqa: PTH208  (names only)
    except OSError:
        return []


def _detached(task: int) -> bool:
    """Detach from a task if it stands still; return False while it does not."""
    number = _signal_at_stop(task)
    if number is None:
        return not _is_ours(task)
    return binding.raw_ptrace(binding.DETACH, task, 0, number) >= 0 or not _is_ours(task)


def _signal_at_stop(task: int) -> int | None:
    """Return the signal that a task in its stop is about to get, 0 for any other stop, None when it runs.

    The kernel is asked, and not wait(2): its report may have been taken already, by a loop that was interrupted.
    """
    info = binding.signal_information(task)
    if info is None:
        return None
    number = int.from_bytes(info[:4], "little", signed=True)
    code = int.from_bytes(info[_SIGNAL_INFO_CODE : _SIGNAL_INFO_CODE + 4], "little", signed=True)
    of_ptrace = code == _SYSCALL_STOP_CODE or code >> 8 > 0
    return 0 if of_ptrace else number


def _identity(task: int) -> Identity:
    from tracer.ptrace.refusals import identity

    return identity(task)


def _refusal(task: int, errno: int) -> NotAttached:
    from tracer.ptrace.refusals import refusal

    return refusal(task, errno)


def _is_ours(task: int) -> bool:
    now = _identity(task)
    return now.tracer == get_native_id() and now.state not in "ZX"
