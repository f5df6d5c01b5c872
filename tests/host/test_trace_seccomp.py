"""The seccomp filter: only a faster way to the same records."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tracer import recorder
from tracer.call_sets import MODULE_LOADING, CallSet
from tracer.ptrace import seccomp
from tracer.records import Record, Records

privileged = pytest.mark.skipif(
    not seccomp.permitted(),
    reason="a filter needs CAP_SYS_ADMIN: sudo .venv/bin/pytest tests/host/test_trace_seccomp.py",
)
PYTHON = (sys.executable, "-I", "-S", "-c")
COMMANDS = {
    "cat": ("cat", "/etc/passwd"),
    "python": (*PYTHON, "import json"),
    "children": ("sh", "-c", "ls / | wc -l; (exit 3) & wait"),
    "threads": (*PYTHON, "import threading as t; x = t.Thread(target=int); x.start(); x.join()"),
    "failing-exec": ("sh", "-c", "/etc/passwd || exec /tmp"),
    "killed": ("sh", "-c", "kill -KILL $$"),
}
# A filter that answers getppid with EPERM, as a program may install it for itself, then that call.
OWN_FILTER = """
import ctypes, struct
libc = ctypes.CDLL(None)
code = b"".join(struct.pack("=HBBI", *each) for each in (
    (0x20, 0, 0, 0), (0x15, 0, 1, 110), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7fff0000)))
block = ctypes.create_string_buffer(code)
program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", 4, ctypes.addressof(block)))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.INSTALL == 0
libc.getppid()
"""

_VARYING = re.compile(r'"(st_ino|st_size|st_blocks|st_[amc]tim\w+|stx_ino|tv_n?sec|si_pid|si_[us]time)": \d+')


def trace(command: Sequence[str], stops: recorder.Stops, calls: CallSet = MODULE_LOADING) -> Records:
    got: list[Record] = []
    recorder.record(command, got.append, calls=calls, stops=stops)
    return Records.of(got)


def comparable(whole: Records) -> list[list[str]]:
    """Return the records of each task without what differs from run to run: times, addresses, pids, what stdout is."""
    tasks: dict[int, list[str]] = {}
    for record in whole.records:
        kept: dict[str, Any] = {key: value for key, value in record.items() if key not in {"t", "duration", "pid"}}
        if kept.get("name") in {"mmap", "clone", "clone3", "fork", "vfork"}:
            kept = {"name": kept["name"]}
        if "statbuf" in kept.get("args", {}):  # of standard output: who has written to it meanwhile
            kept["args"] = {**kept["args"], "statbuf": None}
        if kept.get("signal") == "SIGCHLD" or kept.get("name") == "munmap":
            continue  # comes when a child ends, or is a stack that another thread was quick enough to use again
        text = re.sub(r"pipe:\[\d+\]|0x[0-9a-f]{6,}", "…", json.dumps(kept))
        text = _VARYING.sub(r'"\1": "…"', text)
        tasks.setdefault(record["pid"], []).append(re.sub(r'"sha256": "\w+", "data": "\d+', "…", text))
    return sorted(tasks.values())


@privileged
@pytest.mark.parametrize("name", COMMANDS)
def test_both_ways_give_the_same_records(name: str) -> None:
    fast, slow = trace(COMMANDS[name], "auto"), trace(COMMANDS[name], "syscall")
    assert (fast.header["stops"], slow.header["stops"]) == ("seccomp", "syscall")
    assert comparable(fast) == comparable(slow)
    assert fast.end is not None
    assert slow.end is not None
    assert fast.end["left_out"] == slow.end["left_out"]
    assert fast.status == slow.status


@privileged
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the number of getppid is x86-64's")
@pytest.mark.parametrize(
    "install", ["prctl(22, 2, program, 0, 0)", "syscall(317, 1, 0, program)"], ids=["prctl", "seccomp"]
)
def test_a_call_refused_by_the_programs_own_filter_is_recorded(install: str) -> None:
    script = OWN_FILTER.replace("INSTALL", install)
    whole = trace((*PYTHON, script), "auto", frozenset(("getppid", "exit_group")))
    assert whole.header["stops"] == "seccomp"
    assert [(call["name"], call["errno"]) for call in whole.calls()] == [("getppid", "EPERM"), ("exit_group", None)]
    assert whole.status == 0


@privileged
def test_a_filter_takes_no_privilege_away() -> None:
    got = trace(("sh", "-c", "grep NoNewPrivs /proc/self/status"), "auto", frozenset(("write",)))
    written = [call["args"]["buf"]["data"] for call in got.calls("write")]
    own = re.search(r"NoNewPrivs:\s+\d", Path("/proc/self/status").read_text())
    assert own is not None
    assert written == [own[0] + "\n"]


def test_with_all_calls_every_call_stops() -> None:
    assert trace(("true",), "auto", None).header["stops"] == "syscall"


def recorded_by(user: int) -> Records:
    """Have another process become `user` and record a command."""
    script = (
        "import ctypes, json, os, sys; from tracer import recorder\n"
        "recorder.record(['true'], lambda record: None)  # loads what the user may not be able to read\n"
        "user = int(sys.argv[1]); os.setgroups([]); os.setgid(user); os.setuid(user)\n"
        "ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # dumpable again, as after an exec: else it may not be traced\n"
        "got = []; recorder.record(['/bin/cat', '/etc/passwd'], got.append)\n"
        "sys.stderr.write(json.dumps(got))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(user)], check=True, capture_output=True, text=True)
    return Records.of(json.loads(done.stderr))


@privileged
@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user: sudo .venv/bin/pytest tests/host")
def test_an_ordinary_user_gets_the_same_records_without_a_filter() -> None:
    root, user = recorded_by(0), recorded_by(65534)
    assert (root.header["stops"], user.header["stops"]) == ("seccomp", "syscall")
    assert comparable(user) == comparable(root)


@pytest.mark.parametrize("stops", ["auto", "syscall"])
def test_the_profile_counts_reads_of_the_kernels_own_files_and_all_records_them(stops: recorder.Stops) -> None:
    command = ("head", "-n", "1", "/proc/version", "/etc/passwd")
    whole = trace(command, stops)
    paths = {call["args"]["fd"]["path"] for call in whole.calls("read")}
    assert "/etc/passwd" in paths
    assert "/proc/version" not in paths
    assert whole.end is not None
    assert whole.end["left_out"]["read"] >= 1
    everything = trace(command, stops, None)
    assert [call["args"]["fd"]["path"] for call in everything.calls("read")].count("/proc/version") == 1
    assert everything.end is not None
    assert "left_out" not in everything.end
