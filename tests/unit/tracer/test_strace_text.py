"""Records as strace would write them. What is expected was taken from strace 6.1's own output."""

from __future__ import annotations

import pytest

from tracer.records import Record
from tracer.strace_text import line, quoted, words


def call(name: str, result: int | None, errno: str | None = None, **args: object) -> Record:
    return {
        "type": "syscall",
        "t": 1,
        "duration": 1,
        "pid": 42,
        "name": name,
        "args": args,
        "return": result,
        "errno": errno,
    }


@pytest.mark.parametrize(
    ("data", "limit", "text"),
    [
        (b"", None, '""'),
        (b'a"b\\c\n\t\r\v\f', None, r'"a\"b\\c\n\t\r\v\f"'),
        (b"\x7fELF\x02\x01\x01\x00\x00", None, r'"\177ELF\2\1\1\0\0"'),
        (b"\x001", None, r'"\0001"'),
        (b"\xff9", None, r'"\3779"'),
        (b"0123456789", 4, '"0123"...'),
        (b"0123", 4, '"0123"'),
    ],
)
def test_strings_are_escaped_like_c(data: bytes, limit: int | None, text: str) -> None:
    assert quoted(data, limit) == text


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (
            call("openat", 3, dirfd="AT_FDCWD", pathname="x", flags=["O_RDONLY", "O_CLOEXEC"]),
            'openat(AT_FDCWD, "x", O_RDONLY|O_CLOEXEC) = 3',
        ),
        (
            call("openat", -1, "ENOENT", dirfd="AT_FDCWD", pathname=None, flags=["O_RDONLY"], mode="0644"),
            "openat(AT_FDCWD, NULL, O_RDONLY, 0644) = -1 ENOENT (No such file or directory)",
        ),
        (
            call(
                "finit_module",
                -1,
                "ENOEXEC",
                fd={"value": 3, "path": "/x.ko"},
                param_values="who=world",
                flags=[],
            ),
            'finit_module(3, "who=world", 0) = -1 ENOEXEC (Exec format error)',
        ),
        (
            call(
                "read",
                4,
                fd={"value": 3, "path": None},
                buf={"length": 4, "sha256": "", "data": "\x7fELF"},
                count=832,
            ),
            r'read(3, "\177ELF", 832) = 4',
        ),
        (
            call("read", -1, "EISDIR", fd={"value": 3, "path": "/"}, buf={"address": "0x7ff0"}, count=1),
            "read(3, 0x7ff0, 1) = -1 EISDIR (Is a directory)",
        ),
        (
            call(
                "mmap",
                0x7F0000000000,
                addr=None,
                length=8192,
                prot=["PROT_READ", "PROT_WRITE"],
                flags=["MAP_PRIVATE", "MAP_ANONYMOUS"],
                fd={"value": -1, "path": None},
                offset=0,
            ),
            "mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000000000",
        ),
        (
            call("execve", 0, pathname="/bin/ls", argv=["ls", "-l"], envp={"address": "0x7ff8", "count": 1}),
            'execve("/bin/ls", ["ls", "-l"], 0x7ff8 /* 1 var */) = 0',
        ),
        (call("exit_group", None, status=0), "exit_group(0) = ?"),
        (
            call("pause", None, "ERESTARTNOHAND"),
            "pause() = ? ERESTARTNOHAND (To be restarted if no handler)",
        ),
        ({"type": "exit", "t": 1, "pid": 42, "status": 3}, "+++ exited with 3 +++"),
        ({"type": "exit", "t": 1, "pid": 42, "signal": "SIGKILL"}, "+++ killed by SIGKILL +++"),
    ],
)
def test_a_record_in_words_is_what_strace_writes_but_for_pid_and_padding(record: Record, text: str) -> None:
    assert words(record) == text


def test_a_line_has_the_pid_in_front_and_the_result_at_column_40() -> None:
    assert line(call("close", 0, fd={"value": 3, "path": None})) == "42    close(3)                          = 0"
    assert line({"type": "exit", "t": 1, "pid": 1234567, "status": 3}) == "1234567 +++ exited with 3 +++"
    long = call("chdir", 0, pathname="/a/folder/with/a/very/long/name")
    assert line(long) == '42    chdir("/a/folder/with/a/very/long/name") = 0'


def test_a_call_that_a_task_ended_in_has_what_strace_wrote_at_its_entry() -> None:
    fd = {"value": 0, "path": "/dev/null"}
    assert words(call("read", None, fd=fd, buf={"address": "0x7f0"}, count=1)) == "read(0,  <unfinished ...>) = ?"
    waiting = call("futex", None, uaddr="0x7f0", futex_op="FUTEX_WAIT_PRIVATE", val=2, timeout=None)
    assert words(waiting) == "futex(0x7f0, FUTEX_WAIT_PRIVATE, 2, NULL) = ?"


def test_a_record_of_a_recorder_that_decoded_otherwise_is_shown_all_the_same() -> None:
    assert words(call("close", 0, fd=7)) == "close(7) = 0"
    assert words(call("openat", 3, dirfd=[1], pathname=5, flags=3)) == "openat([1], 5, 3) = 3"


@pytest.mark.parametrize("kind", ["header", "exec", "kernel_event", "end"])
def test_what_strace_does_not_know_has_no_line(kind: str) -> None:
    assert line({"type": kind, "t": 1}) is None
