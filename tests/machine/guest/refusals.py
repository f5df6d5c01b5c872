"""Run in a guest: be refused to trace, for each reason a kernel can be made to have; print what was said, as JSON.

Every case is a child of its own that gives rights away, or lets itself be forbidden something, and then asks for a
trace: of a bystander, who is no descendant of it, or of a command.
"""

from __future__ import annotations

import ctypes
import io
import json
import os
import signal
import struct
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from pathlib import Path

from pyinsmod.cli import main

USER, OTHER = 65534, 65533
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
CAP_SYS_PTRACE = 19
PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, CLONE_NEWUSER = 4, 38, 22, 0x10000000
libc = ctypes.CDLL(None, use_errno=True)


def bystander(user: int) -> int:
    """Return a process of a user's that sleeps, and whose parent is no ancestor of who asks."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        pid = os.fork()
        if pid == 0:
            become(user)
            time.sleep(1000)
        os.write(writer, str(pid).encode())
        os._exit(0)
    return int(os.read(reader, 20))


def become(user: int) -> None:
    """Become a user, and may be traced as if that had been so from the beginning."""
    os.setgroups([])
    os.setgid(user)
    os.setuid(user)
    libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0)


def without_capability() -> None:
    """Be a root that may not trace: capset(2), version 3."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    held = ctypes.create_string_buffer(24)
    assert libc.capget(header, held) == 0
    words = list(struct.unpack("=6I", held.raw))
    words[0] &= ~(1 << CAP_SYS_PTRACE)
    words[1] &= ~(1 << CAP_SYS_PTRACE)
    assert libc.capset(header, ctypes.create_string_buffer(struct.pack("=6I", *words))) == 0


def in_a_user_namespace() -> None:
    """Be root of a container's user namespace."""
    assert libc.unshare(CLONE_NEWUSER) == 0, os.strerror(ctypes.get_errno())
    Path("/proc/self/uid_map").write_text("0 0 1\n")


def with_a_profile() -> None:
    """Install a seccomp filter that answers ptrace with EPERM, as containers have one."""
    become(USER)
    code = ((0x20, 0, 0, 0), (0x15, 0, 1, 101), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000))
    block = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(code), ctypes.addressof(block)))
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.prctl(PR_SET_SECCOMP, 2, program, 0, 0) == 0


def as_user() -> None:
    """Be an ordinary user."""
    become(USER)


def as_root() -> None:
    """Stay what we are."""


# Case: Yama's setting, what the tracer does before, whose process is traced; None for a command instead.
CASES: dict[str, tuple[int, Callable[[], None], int | None]] = {
    "one's own": (0, as_user, USER),
    "another user's": (0, as_user, OTHER),
    "root without the capability": (0, without_capability, 0),
    "outside of the container": (0, in_a_user_namespace, 0),
    "a profile": (0, with_a_profile, USER),
    "a profile, a command": (0, with_a_profile, None),
    "Yama 1": (1, as_user, USER),
    "Yama 1, a command": (1, as_user, None),
    "Yama 2": (2, as_user, USER),
    "Yama 2, a command": (2, as_user, None),
    "Yama 3": (3, as_root, USER),
    "Yama 3, a command": (3, as_root, None),  # and the last: nothing can be allowed again
}


def answer(case: str) -> dict[str, object]:
    """Return status and words of one case, with the traced process's pid as PID, and whether that still sleeps."""
    scope, before, target = CASES[case]
    if YAMA.read_text().strip() != str(scope):
        YAMA.write_text(str(scope))
    pid = None if target is None else bystander(target)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, json.dumps(asked(before, pid)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    status, words = json.loads(os.read(reader, 4096))
    unharmed = pid is None or "S (sleeping)" in Path(f"/proc/{pid}/status").read_text()
    if pid is not None:
        os.kill(pid, signal.SIGKILL)
    return {"status": status, "words": words.replace(str(pid), "PID"), "unharmed": unharmed}


def asked(before: Callable[[], None], pid: int | None) -> tuple[int, str]:
    """Ask for the trace of a process for a moment, or of a command."""
    before()
    signal.signal(signal.SIGALRM, lambda _number, _frame: os.kill(os.getpid(), signal.SIGINT))
    signal.setitimer(signal.ITIMER_REAL, 2 if pid else 0)
    options: Sequence[str] = ("--", "true") if pid is None else ("-p", str(pid))
    with redirect_stderr(io.StringIO()) as words:
        status = main(["trace", "-o", "/dev/null", *options])
    return status, words.getvalue()


if __name__ == "__main__":
    libc.prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans are nobody else's
    main(["trace", "-o", "/dev/null", "--", "true"])  # has everything imported
    json.dump({case: answer(case) for case in CASES}, sys.stdout)
