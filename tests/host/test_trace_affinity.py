"""Tracer and command on one CPU: faster, and the command cannot tell by asking."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tracer import recorder
from tracer.call_sets import CallSet
from tracer.records import Record, Records

CPUS = sorted(os.sched_getaffinity(0))
pytestmark = pytest.mark.skipif(len(CPUS) < 2, reason="there is one CPU only, so nothing is pinned")
PYTHON = (sys.executable, "-I", "-S", "-c")
SETS = {"all": None, "filtered": frozenset(("execve",))}


def output_of(command: Sequence[str], tmp_path: Path, calls: CallSet = None, **options: object) -> tuple[str, Records]:
    """Record a shell's command and return what it printed, too."""
    got: list[Record] = []
    out = tmp_path / "out"
    recorder.record(["sh", "-c", 'exec "$@" > ' + str(out), "sh", *command], got.append, calls=calls, **options)  # type: ignore[arg-type]
    return out.read_text(), Records.of(got)


@pytest.fixture(params=SETS)
def calls(request: pytest.FixtureRequest) -> CallSet:
    return SETS[request.param]


def test_nproc_prints_what_it_would_untraced(tmp_path: Path, calls: CallSet) -> None:
    untraced = subprocess.run(["nproc"], check=True, capture_output=True, text=True).stdout
    printed, whole = output_of(["nproc"], tmp_path, calls)
    assert whole.header["pinned_to_cpu"] in CPUS
    assert printed == untraced == f"{len(CPUS)}\n"


def test_what_can_be_asked_is_answered_as_if_untraced(tmp_path: Path, calls: CallSet) -> None:
    """Of itself by 0 and by number, in a thread, in a child, of its parent."""
    script = (
        "import os, threading; ask = lambda pid: print(sorted(os.sched_getaffinity(pid)), flush=True)\n"
        "ask(0); ask(os.getpid())\n"
        "thread = threading.Thread(target=ask, args=(0,)); thread.start(); thread.join()\n"
        "if os.fork() == 0: ask(0); ask(os.getppid()); os._exit(0)\n"
        "os.wait()"
    )
    printed, whole = output_of([*PYTHON, script], tmp_path, calls)
    assert whole.status == 0
    assert [json.loads(line) for line in printed.splitlines()] == [CPUS] * 5


def test_an_affinity_the_program_sets_is_its_own_and_its_childrens(tmp_path: Path, calls: CallSet) -> None:
    script = (
        "import os; ask = lambda: print(sorted(os.sched_getaffinity(0)), flush=True)\n"
        f"for cpu in {CPUS[:2]}: os.sched_setaffinity(0, {{cpu}}); ask()\n"
        "if os.fork() == 0: ask(); os._exit(0)\n"
        f"os.wait(); os.sched_setaffinity(0, set({CPUS})); ask()"
    )
    printed, whole = output_of([*PYTHON, script], tmp_path, calls)
    assert whole.status == 0
    assert [json.loads(line) for line in printed.splitlines()] == [[CPUS[0]], [CPUS[1]], [CPUS[1]], CPUS]


def test_a_buffer_that_is_larger_or_too_small_is_answered_as_the_kernel_does(tmp_path: Path) -> None:
    script = (
        "import ctypes; libc = ctypes.CDLL(None, use_errno=True); libc.syscall.restype = ctypes.c_long\n"
        "for size in 8, 128, 4, 7:\n"
        "    buffer = (ctypes.c_ubyte * 128)(*[255] * 128)\n"
        "    result = libc.syscall(NUMBER, 0, size, buffer)\n"
        "    print(result, ctypes.get_errno() if result < 0 else 0, bytes(buffer).hex())"
    )
    number = {"x86_64": 204, "aarch64": 123}[os.uname().machine]
    command = [*PYTHON, script.replace("NUMBER", str(number))]
    untraced = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert output_of(command, tmp_path)[0] == untraced


def test_the_record_shows_the_kernels_answer_and_the_call_only_when_asked_for(tmp_path: Path) -> None:
    _, whole = output_of(["nproc"], tmp_path, frozenset(("execve",)))
    assert {call["name"] for call in whole.calls()} == {"execve"}
    _, whole = output_of(["nproc"], tmp_path, frozenset(("sched_getaffinity",)))
    assert whole.calls("sched_getaffinity")[0]["return"] > 0


def test_unpinned_nothing_is_changed(tmp_path: Path) -> None:
    printed, whole = output_of(["nproc"], tmp_path, pin="never")
    assert (printed, whole.header["pinned_to_cpu"]) == (f"{len(CPUS)}\n", None)


def test_the_tracer_has_its_own_back(tmp_path: Path) -> None:
    output_of(["true"], tmp_path)
    assert sorted(os.sched_getaffinity(0)) == CPUS
