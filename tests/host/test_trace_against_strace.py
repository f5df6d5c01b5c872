"""A command under strace and under our tracer: the same calls with the same results, in the same order."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from tracer import records, strace_text
from tracer.decode import DECODERS
from tracer.records import Records

# Results that differ from run to run: pids, addresses.
_VARYING = frozenset(("mmap",))
_CALLS = frozenset(name for name in DECODERS if name not in {"creat", "stat", "lstat"})
_LINE = re.compile(r"^(\d+) +(\w+)\(.*?\) += (-?\d+|0x[0-9a-f]+|\?)(?: (E\w+))?")

THREADS = """
import threading
for number in range(3):
    thread = threading.Thread(target=print, args=(number,))
    thread.start()
    thread.join()
"""

COMMANDS = {
    "cat": ["cat", "/etc/passwd"],
    "pipe": ["sh", "-c", "ls / | wc -l"],
    "threads": [sys.executable, "-I", "-S", "-c", THREADS],
    "failing-exec": ["sh", "-c", "/etc/passwd || /nonexistent/x || exec /tmp"],
    "killed": ["sh", "-c", "kill -KILL $$"],
    "background": ["sh", "-c", "sleep 0.2 & wait; exit 7"],
    "busybox": ["busybox", "sha256sum", "/etc/passwd"],
    "toybox": ["toybox", "head", "-c", "3", "/etc/passwd"],
    "insmod-nothing": ["insmod", "/nonexistent.ko"],
    "busybox-insmod-nothing": ["busybox", "insmod", "/nonexistent.ko"],
    "dd": ["dd", "if=/dev/zero", "of=/dev/null", "bs=1000", "count=20", "status=none"],
}


@pytest.fixture(scope="module")
def strace() -> str:
    found = shutil.which("strace")
    if found is None:
        message = "strace, the oracle of these tests, is missing: apt-get install strace"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


Call = tuple[str, str, str]


def under_strace(strace: str, command: list[str], folder: Path) -> tuple[list[list[Call]], int]:
    """Return, for each task, its calls as (name, result, errno), and the exit status."""
    # A file for each task (-ff): no call is split into two lines.
    prefix = folder / "strace"
    names = ",".join(sorted(_CALLS))
    done = subprocess.run(
        [strace, "-ff", "-o", prefix, "-e", f"trace={names}", "--", *command],
        check=False,
        capture_output=True,
        cwd=folder,
    )
    tasks = []
    for path in sorted(folder.glob("strace.*")):
        calls: list[Call] = []
        for text in path.read_text(errors="replace").splitlines():
            match = _LINE.match(f"1 {text}")
            if match:
                calls.append(normal(match[2], match[3], match[4] or ""))
        tasks.append(calls)
    return tasks, done.returncode


def under_ours(command: list[str], folder: Path) -> tuple[list[list[Call]], int]:
    """Return the same from our tracer."""
    whole, status = recorded(command, folder, _CALLS)
    tasks: dict[int, list[Call]] = defaultdict(list)
    for record in whole.calls():
        match = _LINE.match(strace_text.line(record) or "")
        assert match, record
        tasks[record["pid"]].append(normal(match[2], match[3], match[4] or ""))
    # strace makes a file for each task, also for one that makes none of the calls.
    return [tasks[record["pid"]] for record in whole.of_type("exit")], status


def recorded(command: list[str], folder: Path, calls: Iterable[str]) -> tuple[Records, int]:
    path = folder / "ours"
    options = ["--format", "json", "-o", str(path), "--calls", ",".join(calls)]
    done = subprocess.run(
        [sys.executable, "-m", "pyinsmod", "trace", *options, "--", *command],
        check=False,
        capture_output=True,
        cwd=folder,
    )
    return records.read_file(path), done.returncode


def without_memory(tasks: list[list[Call]]) -> list[list[Call]]:
    return [[call for call in calls if call[0] not in {"mmap", "munmap", "mprotect"}] for calls in tasks]


def normal(name: str, result: str, errno: str) -> Call:
    return name, "address" if name in _VARYING and not errno else result, errno


@pytest.mark.parametrize("name", COMMANDS)
def test_every_task_makes_the_same_calls(name: str, strace: str, tmp_path: Path) -> None:
    command = COMMANDS[name]
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is missing: apt-get install {command[0]}")
    expected, status = under_strace(strace, command, tmp_path)
    got, our_status = under_ours(command, tmp_path)
    assert our_status == (status if status >= 0 else 128 - status)
    if name == "threads":  # whether a stack is used again depends on which thread is quicker
        got, expected = without_memory(got), without_memory(expected)
    assert sorted(got) == sorted(expected)


@pytest.mark.parametrize("command", [["cat", "/etc/passwd"], ["insmod", "/nonexistent.ko"]], ids=["cat", "insmod"])
def test_text_agrees_with_straces_but_for_addresses(command: list[str], strace: str, tmp_path: Path) -> None:
    calls = ("execve", "openat", "close", "read", "write", "pread64", "mmap", "munmap", "lseek", "exit_group")
    subprocess.run(
        [strace, "-o", tmp_path / "out", "-e", f"trace={','.join(calls)}", "--", *command],
        check=False,
        capture_output=True,
        cwd=tmp_path,
    )
    whole, _ = recorded(command, tmp_path, calls)
    ours = [strace_text.line(record) or "" for record in whole.of_type("syscall", "exit")]
    theirs = (tmp_path / "out").read_text().splitlines()
    assert [plain(line.split(None, 1)[1]) for line in ours] == [plain(line) for line in theirs]


def plain(line: str) -> str:
    """Return a line with addresses and the padding before the result normalised."""
    return re.sub(r"0x[0-9a-f]{6,}", "ADDRESS", re.sub(r" += ", " = ", line))
