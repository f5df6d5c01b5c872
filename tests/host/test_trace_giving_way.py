"""Pinned tracees that run side by side and seldom stop get all their CPUs back; one alone stays.

The tracer is a process of its own here: in pytest's the timer's signal may be in use, for its time limits.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tracer import recorder

CPUS = sorted(os.sched_getaffinity(0))
pytestmark = pytest.mark.skipif(len(CPUS) < 2, reason="there is one CPU only, so nothing is pinned")

# What /proc says is what the kernel really does (see `tracer.ptrace.affinity`).
WORKER = """
import os, sys, time

def allowed():
    with open("/proc/self/status") as status:
        return next(line.split()[1] for line in status if line.startswith("Cpus_allowed_list"))

def work(seconds, own):
    "Compute until the affinity changes, but no longer than so many seconds; report it."
    if own is not None:
        os.sched_setaffinity(0, {own})
    before, end = allowed(), time.monotonic() + seconds
    while time.monotonic() < end and allowed() == before:
        for _ in range(1000000):
            pass
    with open(sys.argv[1], "a") as out:
        out.write(allowed() + "\\n")

def side_by_side(*workers):
    for worker in workers:
        if not os.fork():
            work(*worker)
            os._exit(0)
    for _ in workers:
        os.wait()
"""


def seen_by(script: str, tmp_path: Path) -> tuple[list[str], str]:
    """Return what the workers report, and the CPU they were pinned to."""
    out, trace = tmp_path / "out", tmp_path / "trace"
    command = [sys.executable, "-I", "-S", "-c", WORKER + script, str(out)]
    options = ["--format", "json", "--calls", "execve", "-o", str(trace)]
    subprocess.run([sys.executable, "-m", "pyinsmod", "trace", *options, "--", *command], check=True)
    header = json.loads(trace.read_text().partition("\n")[0])
    return sorted(out.read_text().split()), str(header["pinned_to_cpu"])


def all_cpus() -> str:
    """Return them as /proc/PID/status has them."""
    with Path("/proc/self/status").open() as status:
        return next(line.split()[1] for line in status if line.startswith("Cpus_allowed_list"))


def test_two_that_work_get_all_cpus(tmp_path: Path) -> None:
    assert seen_by("side_by_side((20, None), (20, None))", tmp_path)[0] == [all_cpus()] * 2


@pytest.mark.parametrize("own", CPUS[:2])
def test_an_affinity_of_its_own_is_left_alone(tmp_path: Path, own: int) -> None:
    seen, _ = seen_by(f"side_by_side((2, {own}), (20, None))", tmp_path)
    assert seen == sorted([str(own), all_cpus()])


def test_one_alone_stays(tmp_path: Path) -> None:
    seen, cpu = seen_by("work(1, None)", tmp_path)
    assert seen == [cpu]


def test_the_callers_alarm_is_its_own() -> None:
    rang = threading.Event()
    before = signal.signal(signal.SIGALRM, lambda *_: rang.set())
    left = signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        recorder.record(["sleep", "0.6"], lambda _record: None)
        assert rang.is_set()
    finally:
        signal.signal(signal.SIGALRM, before)
        signal.setitimer(signal.ITIMER_REAL, *left)


def test_nothing_rings_afterwards() -> None:
    script = (
        "import signal; from tracer import recorder; recorder.record(['sleep', '0.3'], lambda record: None)\n"
        "assert signal.getitimer(signal.ITIMER_REAL) == (0, 0)\n"
        "assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
