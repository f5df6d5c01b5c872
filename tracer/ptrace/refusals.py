"""Why the kernel does not let us trace a process, and what helps.

The kernel says EPERM for a dozen reasons (__ptrace_may_access, ptrace_attach, the security modules). Which one
it was shows in /proc: the facts of both processes are collected first, then judged by a table of rules, the
first that holds being the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from pyinsmod.lean import NamedTuple
from tracer.errors import NotAttached

_CAP_SYS_PTRACE = 1 << 19  # <linux/capability.h>
_PF_KTHREAD = 0x200000  # <linux/sched.h>; in field 9 of /proc/PID/stat
_YAMA = "/proc/sys/kernel/yama/ptrace_scope"
_WHOLE_USER_NAMESPACE = ["0", "0", "4294967295"]


class Identity(NamedTuple):
    """What /proc shows of one process; of one that is gone, `state` is empty."""

    pid: int
    name: str = ""
    #: The letter of its state (proc(5)).
    state: str = ""
    process: int = 0
    tracer: int = 0
    users: frozenset[int] = frozenset()
    effective_user: int = -1
    permitted: int = 0
    effective: int = 0
    seccomp: bool = False
    kernel_thread: bool = False
    #: The owner of its /proc folder, which is root's when the process is not dumpable (proc(5)).
    owner: int = -1


class Facts(NamedTuple):
    """Everything the reason is found from."""

    target: Identity
    own: Identity
    target_tracer_name: str
    #: kernel.yama.ptrace_scope; None on a kernel without Yama.
    yama: int | None
    #: Whether this process is in a user namespace of its own (a container).
    in_user_namespace: bool


Rule = Callable[[Facts], str | None]


def refusal(pid: int, errno: int) -> NotAttached:
    """Return the error for a process that could not be seized, with `errno` from ptrace(2)."""
    return NotAttached(pid, errno, reason(facts(pid)))


def refusal_of_command(pid: int, errno: int, command: str) -> NotAttached:
    """Return the same for our own child, which was to become a command."""
    return NotAttached(pid, errno, reason(facts(pid), _RULES_FOR_CHILDREN), command)


def facts(pid: int) -> Facts:
    """Collect what /proc shows now."""
    target = identity(pid)
    return Facts(
        target, identity(os.getpid()), identity(target.tracer).name if target.tracer else "", _yama(), _contained()
    )


def reason(known: Facts, rules: Sequence[Rule] | None = None) -> str:
    """Return the first reason that holds, with its remedy."""
    for rule in rules or _RULES:
        text = rule(known)
        if text is not None:
            return text
    return "the kernel forbids it; a security module (SELinux, AppArmor, Smack) may be the reason"


def identity(pid: int) -> Identity:
    """Return what /proc shows of a process."""
    folder = Path(f"/proc/{pid}")
    try:
        status = _status((folder / "status").read_text(encoding="utf-8", errors="replace"))
        fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        owner = folder.stat().st_uid
    except (OSError, ValueError):
        return Identity(pid)
    users = [int(word) for word in status["Uid"].split()]
    return Identity(
        pid=pid,
        name=status["Name"],
        state=status["State"][0],
        process=int(status["Tgid"]),
        tracer=int(status["TracerPid"]),
        users=frozenset(users[:3]),
        effective_user=users[1],
        permitted=int(status["CapPrm"], 16),
        effective=int(status["CapEff"], 16),
        seccomp=status.get("Seccomp", "0") != "0",
        kernel_thread=bool(int(fields[6]) & _PF_KTHREAD),
        owner=owner,
    )


def _status(text: str) -> dict[str, str]:
    pairs = (line.partition(":") for line in text.splitlines())
    return {key: value.strip() for key, _, value in pairs}


def _yama() -> int | None:
    try:
        return int(Path(_YAMA).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _contained() -> bool:
    try:
        return Path("/proc/self/uid_map").read_text(encoding="utf-8").split() != _WHOLE_USER_NAMESPACE
    except OSError:  # a kernel without user namespaces
        return False


def _gone(known: Facts) -> str | None:
    return None if known.target.state else "no such process"


def _ourselves(known: Facts) -> str | None:
    return "it is this tracer itself" if known.target.process == known.own.pid else None


def _dead(known: Facts) -> str | None:
    return "it has ended, and only its parent has not asked for its status yet" if known.target.state in "ZX" else None


def _kernel_thread(known: Facts) -> str | None:
    return f"it is a thread of the kernel ({known.target.name})" if known.target.kernel_thread else None


def _traced(known: Facts) -> str | None:
    tracer = known.target.tracer
    if not tracer:
        return None
    name = f" ({known.target_tracer_name})" if known.target_tracer_name else ""
    return f"it is traced by process {tracer}{name} already, and a process has one tracer at a time"


def _yama_forbids_all(known: Facts) -> str | None:
    if known.yama != 3:
        return None
    return "Yama forbids attaching to anything until the next boot (kernel.yama.ptrace_scope is 3)"


def _root_without_the_capability(known: Facts) -> str | None:
    if known.own.effective_user != 0 or known.own.effective & _CAP_SYS_PTRACE:
        return None
    return "this root has no CAP_SYS_PTRACE: a container needs '--cap-add SYS_PTRACE'"


def _another_user_namespace(known: Facts) -> str | None:
    if not (known.in_user_namespace and known.own.effective & _CAP_SYS_PTRACE):
        return None
    return "it is outside of this container's user namespace, where capabilities do not reach: run this outside"


def _another_user(known: Facts) -> str | None:
    if known.own.effective & _CAP_SYS_PTRACE or known.target.users == {known.own.effective_user}:
        return None
    return f"it belongs to another user (uid {min(known.target.users, default=-1)}): {_AS_ROOT}"


def _more_privileges(known: Facts) -> str | None:
    if known.own.effective & _CAP_SYS_PTRACE:
        return None
    if known.target.permitted & ~known.own.permitted or known.target.owner != known.own.effective_user:
        return f"it has or had privileges (a set-user-ID program, capabilities, a secret in memory): {_AS_ROOT}"
    return None


def _yama_forbids_strangers(known: Facts) -> str | None:
    if known.yama != 1 or known.own.effective & _CAP_SYS_PTRACE:
        return None
    return f"only one's own children may be traced, by Yama (kernel.yama.ptrace_scope is 1): {_AS_ROOT}"


def _yama_forbids_users(known: Facts) -> str | None:
    if known.yama != 2 or known.own.effective & _CAP_SYS_PTRACE:
        return None
    return f"only root may trace, by Yama (kernel.yama.ptrace_scope is 2): {_AS_ROOT}"


def _filtered(known: Facts) -> str | None:
    if not known.own.seccomp:
        return None
    return "a seccomp profile, probably a container's, forbids ptrace: '--security-opt seccomp=unconfined' lifts it"


_AS_ROOT = "run it with sudo"
_RULES: tuple[Rule, ...] = (
    _gone,
    _ourselves,
    _dead,
    _kernel_thread,
    _traced,
    _yama_forbids_all,
    _root_without_the_capability,
    _another_user_namespace,
    _another_user,
    _more_privileges,
    _yama_forbids_strangers,
    _yama_forbids_users,
    _filtered,
)
#: What can forbid tracing a child that is as we are.
_RULES_FOR_CHILDREN: tuple[Rule, ...] = (
    _yama_forbids_all,
    _root_without_the_capability,
    _yama_forbids_users,
    _filtered,
)
