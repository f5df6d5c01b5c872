"""Each kind: what memory and registers become in a record, and what that is in strace's text; bogus values first.

What is expected was seen in the output of strace 6.1.
"""

from __future__ import annotations

import errno
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from tracer.decode.lookup import plan_of
from tracer.decode.values import Task
from tracer.ptrace.tracee import RawArguments
from tracer.strace_text import words

Placer = Callable[[bytes], int]


def raw(*values: int) -> RawArguments:
    padded = [value & (2**64 - 1) for value in values] + [0] * (6 - len(values))
    return (padded[0], padded[1], padded[2], padded[3], padded[4], padded[5])


def shown(task: Task, name: str, *arguments: int, result: int | None = 0, arch: str = "x86_64") -> str:
    """Decode a call as the recorder does, send it through JSON, and show it."""
    plan, registers = plan_of(name, arch), raw(*arguments)
    args: dict[str, Any] = plan.entry(task, registers)
    record: dict[str, Any] = {"type": "syscall", "pid": 1, "name": name, "args": args, "arch": arch}
    record |= {"return": result, "errno": None}
    if result is not None and result < 0:
        record |= {"return": -1, "errno": errno.errorcode[-result]}
        if plan.exit_failed is not None:
            plan.exit_failed(task, registers, result, args)
    elif result is not None and plan.exit is not None:
        plan.exit(task, registers, result, args)
    text = words(json.loads(json.dumps(record)))
    assert text is not None
    return text


@pytest.mark.parametrize(
    ("name", "arguments", "text"),
    [
        ("lseek", (0, -1, 99), "lseek(0, -1, 0x63 /* SEEK_??? */) = 0"),
        ("access", (0, 8), "access(NULL, 0x8 /* ?_OK */) = 0"),
        ("access", (16, 0), "access(0x10, F_OK) = 0"),
        ("madvise", (4096, 5, 4), "madvise(0x1000, 5, MADV_DONTNEED) = 0"),
        ("mprotect", (4096, 5, 0x20), "mprotect(0x1000, 5, 0x20 /* PROT_??? */) = 0"),
        ("mprotect", (4096, 5, 0), "mprotect(0x1000, 5, PROT_NONE) = 0"),
        ("kill", (-1, 99), "kill(-1, 99) = 0"),
        ("tgkill", (1, 2, 34), "tgkill(1, 2, SIGRT_2) = 0"),
        ("ioctl", (1, 0x5401, 16), "ioctl(1, TCGETS, 0x10) = 0"),
        ("ioctl", (1, 0x80047FFE, 16), "ioctl(1, _IOC(_IOC_READ, 0x7f, 0xfe, 0x4), 0x10) = 0"),
        ("fcntl", (1, 2, 1), "fcntl(1, F_SETFD, FD_CLOEXEC) = 0"),
        ("fcntl", (1, 99, 16), "fcntl(1, 0x63 /* F_??? */, 0x10) = 0"),
        ("chmod", (0, 0o7), "chmod(NULL, 007) = 0"),
        ("chown", (0, -1, 5), "chown(NULL, -1, 5) = 0"),
        ("futex", (4096, 129, 1), "futex(0x1000, FUTEX_WAKE_PRIVATE, 1) = 0"),
        ("futex", (4096, 0x7F, 1, 2, 3, 4), "futex(0x1000, 0x7f /* FUTEX_??? */, 1, 0x2, 0x3, 0x4) = 0"),
        (
            "futex",
            (4096, 5, 1, 2, 8192, 0x04000001),
            ("futex(0x1000, FUTEX_WAKE_OP, 1, 2, 0x2000, FUTEX_OP_SET<<28|0<<12|FUTEX_OP_CMP_GT<<24|0x1) = 0"),
        ),
        ("prctl", (1, 9), "prctl(PR_SET_PDEATHSIG, SIGKILL) = 0"),
        ("prctl", (38, 1), "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) = 0"),
        ("prctl", (999, 1), "prctl(0x3e7 /* PR_??? */, 0x1, 0, 0, 0) = 0"),
        ("syslog", (77, 0x1000, -1), "syslog(77 /* SYSLOG_ACTION_??? */, 0x1000, -1) = 0"),
        ("syslog", (-1, 0, 3), "syslog(-1 /* SYSLOG_ACTION_??? */, NULL, 3) = 0"),
        ("syslog", (8, 0, 99), "syslog(8 /* SYSLOG_ACTION_CONSOLE_LEVEL */, NULL, 99 /* LOGLEVEL_??? */) = 0"),
        ("syslog", (8, 0, 4), "syslog(8 /* SYSLOG_ACTION_CONSOLE_LEVEL */, NULL, 4 /* LOGLEVEL_WARNING */) = 0"),
        ("syslog", (10, 0, 0), "syslog(10 /* SYSLOG_ACTION_SIZE_BUFFER */) = 0"),
        ("syslog", (3, 0x1000, 0), 'syslog(3 /* SYSLOG_ACTION_READ_ALL */, "", 0) = 0'),
        ("arch_prctl", (0x3001, 16), "arch_prctl(0x3001 /* ARCH_??? */, 0x10) = 0"),
        ("socket", (1, 0x80801, 0), "socket(AF_UNIX, SOCK_STREAM|SOCK_CLOEXEC|SOCK_NONBLOCK, 0) = 0"),
        ("mremap", (4096, 1, 2, 1), "mremap(0x1000, 1, 2, MREMAP_MAYMOVE) = 0"),
        (
            "clone",
            (0x1200011, 0, 0, 4096),
            ("clone(child_stack=NULL, flags=CLONE_CHILD_CLEARTID|CLONE_CHILD_SETTID|SIGCHLD, child_tidptr=0x1000) = 0"),
        ),
        ("mknod", (0, 0o20666, 0x103), "mknod(NULL, S_IFCHR|0666, makedev(0x1, 0x3)) = 0"),
        ("fsopen", (16, 2), "fsopen(0x10, 0x2 /* FSOPEN_??? */) = 0"),
        ("fsconfig", (77, 99, 16, 32, -1), "fsconfig(77, 0x63 /* FSCONFIG_??? */, 0x10, 0x20, -1) = 0"),
        ("fsmount", (77, 3, 0x40), "fsmount(77, FSMOUNT_CLOEXEC|0x2, 0x40 /* MOUNT_ATTR_??? */) = 0"),
        ("move_mount", (77, 0, -100, 0, 8), "move_mount(77, NULL, AT_FDCWD, NULL, 0x8 /* MOVE_MOUNT_??? */) = 0"),
        ("mount_setattr", (77, 0, 1, 16, 31), "mount_setattr(77, NULL, 0x1 /* AT_??? */, 0x10, 31) = 0"),
        (
            "mount_setattr",
            (-100, 0, 0x8100, 0, 32),
            "mount_setattr(AT_FDCWD, NULL, AT_SYMLINK_NOFOLLOW|AT_RECURSIVE, NULL, 32) = 0",
        ),
        ("openat2", (77, 0, 16, 23), "openat2(77, NULL, 0x10, 23) = 0"),
        ("restart_syscall", (), "restart_syscall(<... resuming interrupted system call ...>) = 0"),
    ],
)
def test_registers_alone(task: Task, name: str, arguments: tuple[int, ...], text: str) -> None:
    assert shown(task, name, *arguments) == text


@pytest.mark.parametrize(
    ("name", "arguments", "result", "text"),
    [
        ("umask", (0o22,), 0o77, "umask(022) = 077"),
        ("fcntl", (1, 1), 1, "fcntl(1, F_GETFD) = 0x1 (flags FD_CLOEXEC)"),
        ("fcntl", (1, 1), 0, "fcntl(1, F_GETFD) = 0"),
        ("fcntl", (1, 3), 0x8401, "fcntl(1, F_GETFL) = 0x8401 (flags O_WRONLY|O_APPEND|O_LARGEFILE)"),
        ("personality", (0xFFFFFFFF,), 0x40000, "personality(0xffffffff) = 0x40000 (PER_LINUX|ADDR_NO_RANDOMIZE)"),
        (
            "mmap",
            (0, 1, 0, 0x22, -1, 0),
            0x7F0000000000,
            ("mmap(NULL, 1, PROT_NONE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000"),
        ),
        ("poll", (0, 0, 5), 0, "poll(NULL, 0, 5) = 0 (Timeout)"),
        ("sched_getscheduler", (0,), 3, "sched_getscheduler(0) = 3 (SCHED_BATCH)"),
    ],
)
def test_results(task: Task, name: str, arguments: tuple[int, ...], result: int, text: str) -> None:
    assert shown(task, name, *arguments, result=result) == text


def test_fsconfig_by_its_command(task: Task, place: Placer) -> None:
    key, value = place(b"source\0"), place(b"ab\0c")
    assert shown(task, "fsconfig", 3, 0, key, 0, 0) == 'fsconfig(3, FSCONFIG_SET_FLAG, "source", NULL, 0) = 0'
    assert shown(task, "fsconfig", 3, 1, key, value, 0) == 'fsconfig(3, FSCONFIG_SET_STRING, "source", "ab", 0) = 0'
    assert shown(task, "fsconfig", 3, 2, key, value, 4) == (
        r'fsconfig(3, FSCONFIG_SET_BINARY, "source", "\x61\x62\x00\x63", 4) = 0'
    )
    assert shown(task, "fsconfig", 3, 3, key, key, -100) == (
        'fsconfig(3, FSCONFIG_SET_PATH, "source", "source", AT_FDCWD) = 0'
    )
    assert shown(task, "fsconfig", 3, 6, key, 0, 0).startswith("fsconfig(3, FSCONFIG_CMD_CREATE, 0x")


def test_a_status_in_macros(task: Task, place: Placer) -> None:
    def waited(status: int) -> str:
        return shown(task, "wait4", -1, place(struct.pack("<i", status)), 0, 0, result=7)

    assert waited(0x300) == "wait4(-1, [{WIFEXITED(s) && WEXITSTATUS(s) == 3}], 0, NULL) = 7"
    assert waited(0x8B) == "wait4(-1, [{WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV && WCOREDUMP(s)}], 0, NULL) = 7"
    assert waited(0x137F) == "wait4(-1, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGSTOP}], 0, NULL) = 7"
    assert waited(0x6057F) == (
        "wait4(-1, [{WIFSTOPPED(s) && WSTOPSIG(s) == SIGTRAP}|PTRACE_EVENT_EXIT<<16], 0, NULL) = 7"
    )
    assert waited(0xFFFF) == "wait4(-1, [{WIFCONTINUED(s)}], 0, NULL) = 7"
    assert shown(task, "wait4", -1, 16, 1, 0, result=0) == "wait4(-1, 0x10, WNOHANG, NULL) = 0"
    assert shown(task, "wait4", -1, 16, 1, 0, result=-10) == (
        "wait4(-1, 0x10, WNOHANG, NULL) = -1 ECHILD (No child processes)"
    )


def test_sets_of_signals(task: Task, place: Placer) -> None:
    def blocked(mask: int, size: int = 8) -> str:
        return shown(task, "rt_sigprocmask", 0, place(struct.pack("<Q", mask)), 0, size)

    assert blocked(0) == "rt_sigprocmask(SIG_BLOCK, [], NULL, 8) = 0"
    assert blocked(0x10002) == "rt_sigprocmask(SIG_BLOCK, [INT CHLD], NULL, 8) = 0"
    assert blocked(2**64 - 1) == "rt_sigprocmask(SIG_BLOCK, ~[], NULL, 8) = 0"
    assert blocked(2**64 - 1 - 0x180000000) == "rt_sigprocmask(SIG_BLOCK, ~[RTMIN RT_1], NULL, 8) = 0"
    assert ", 0x" in blocked(0, 3)


def test_an_action_shows_its_restorer_only_where_it_has_one(task: Task, place: Placer) -> None:
    ignoring = place(struct.pack("<4Q", 1, 0x10000000, 4096, 2))
    assert shown(task, "rt_sigaction", 2, ignoring, 0, 8) == (
        "rt_sigaction(SIGINT, {sa_handler=SIG_IGN, sa_mask=[INT], sa_flags=SA_RESTART}, NULL, 8) = 0"
    )
    handling = place(struct.pack("<4Q", 8192, 0x14000000, 4096, 0))
    assert shown(task, "rt_sigaction", 2, handling, 0, 8) == (
        "rt_sigaction(SIGINT, {sa_handler=0x2000, sa_mask=[], sa_flags=SA_RESTORER|SA_RESTART, sa_restorer=0x1000},"
        " NULL, 8) = 0"
    )


def test_a_sleep_tells_what_is_left_only_when_a_signal_ended_it(task: Task, place: Placer) -> None:
    asked, left = place(struct.pack("<2q", 5, 6)), place(struct.pack("<2q", 1, 2))
    assert shown(task, "nanosleep", asked, left) == f"nanosleep({{tv_sec=5, tv_nsec=6}}, {left:#x}) = 0"
    plan = plan_of("nanosleep", "x86_64")
    args = plan.entry(task, raw(asked, left))
    assert plan.exit_failed is not None
    plan.exit_failed(task, raw(asked, left), -516, args)
    record = {"type": "syscall", "name": "nanosleep", "args": args, "return": None, "errno": "ERESTART_RESTARTBLOCK"}
    assert words(record) == (
        "nanosleep({tv_sec=5, tv_nsec=6}, {tv_sec=1, tv_nsec=2}) = ? ERESTART_RESTARTBLOCK (Interrupted by signal)"
    )


def test_what_poll_found_stands_behind_its_result(task: Task, place: Placer) -> None:
    entries = place(struct.pack("<ihhihh", 3, 1, 1, 4, 4, 0))
    assert shown(task, "poll", entries, 2, -1, result=1) == (
        "poll([{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}], 2, -1) = 1 ([{fd=3, revents=POLLIN}])"
    )
    assert shown(task, "poll", entries, 2, -1, result=None) == (
        "poll([{fd=3, events=POLLIN}, {fd=4, events=POLLOUT}], 2, -1 <unfinished ...>) = ?"
    )


def test_limits_are_in_kibibytes_where_they_can_be(task: Task, place: Placer) -> None:
    limit = place(struct.pack("<2Q", 8 << 20, 2**64 - 1))
    assert shown(task, "prlimit64", 0, 3, 0, limit) == (
        "prlimit64(0, RLIMIT_STACK, NULL, {rlim_cur=8192*1024, rlim_max=RLIM64_INFINITY}) = 0"
    )


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x01\0", "{sa_family=AF_UNIX}"),
        (b"\x01\0/run/x\0\0", '{sa_family=AF_UNIX, sun_path="/run/x"}'),
        (b"\x01\0\0name", '{sa_family=AF_UNIX, sun_path=@"name"}'),
        (
            b"\x02\0\0\x35\x7f\0\0\x01" + bytes(8),
            '{sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("127.0.0.1")}',
        ),
        (b"\x02\0\0\x35", '{sa_family=AF_INET, sa_data="\\0005"}'),
        (
            b"\x0a\0\0\x50" + bytes(4) + bytes(15) + b"\x01" + bytes(4),
            (
                "{sa_family=AF_INET6, sin6_port=htons(80), sin6_flowinfo=htonl(0), "
                'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}'
            ),
        ),
        (b"\x10\0\0\0\x05\0\0\0" + bytes(4), "{sa_family=AF_NETLINK, nl_pid=5, nl_groups=00000000}"),
        (b"\xff\xff\x01", '{sa_family=0xffff /* AF_??? */, sa_data="\\1"}'),
    ],
)
def test_addresses_of_sockets(task: Task, place: Placer, data: bytes, text: str) -> None:
    assert shown(task, "bind", 3, place(data), len(data)) == f"bind(3, {text}, {len(data)}) = 0"


def test_a_call_of_another_architecture_is_read_with_its_layouts(task: Task, place: Placer) -> None:
    moment = place(struct.pack("<2i", 1, 2))
    assert shown(task, "nanosleep", moment, 0, arch="i386") == "nanosleep({tv_sec=1, tv_nsec=2}, NULL) = 0"
    assert shown(task, "pwrite64", 1, 0, 0, 5, 1, arch="i386") == f"pwrite64(1, NULL, 0, {5 + (1 << 32)}) = 0"
    assert shown(task, "openat", -100, 0, 0o40000, arch="aarch64") == "openat(AT_FDCWD, NULL, O_RDONLY|O_DIRECTORY) = 0"
    assert "tls=0x2000, child_tidptr=0x3000" in shown(task, "clone", 0x1280000, 0, 0, 8192, 12288, arch="aarch64")
