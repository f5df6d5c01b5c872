"""The programs that run in guests, as far as they can be run here: nothing is loaded, and no module call made."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracer.experiments.direct_calls import problem_of
from tracer.experiments.guest import become, module_calls
from tracer.experiments.preparations import PREPARATIONS, commands_of, prefix_of
from tracer.experiments.preparations import problem_of as problem_of_preparation
from tracer.experiments.workbench import PROGRAMS, WATCHER


def test_the_watcher_tells_what_files_hold_before_meanwhile_and_after(tmp_path: Path) -> None:
    watched, fifo, output = tmp_path / "watched", tmp_path / "fifo", tmp_path / "output"
    command = [sys.executable, str(PROGRAMS / WATCHER), str(output), str(fifo), str(watched)]
    with subprocess.Popen(command) as watcher:
        _until(fifo.exists)
        watched.write_text("live\n")
        _until(lambda: "during" in output.read_text())
        watched.unlink()
        with fifo.open():
            pass
        assert watcher.wait(10) == 0
    records = [json.loads(line) for line in output.read_text().splitlines()]
    told = [(record["moment"], record["exists"], record["content"]) for record in records]
    assert told[:2] == [("before", False, None), ("during", True, "live\n")]
    assert told[-1] == ("after", False, None)
    assert [record["t"] for record in records] == sorted(record["t"] for record in records)


def _until(condition: object, patience: float = 10.0) -> None:
    late = time.monotonic() + patience
    while not condition():  # type: ignore[operator]  # any function
        assert time.monotonic() < late
        time.sleep(0.01)


def test_a_user_is_become_before_the_command() -> None:
    command = [sys.executable, str(PROGRAMS / "become.py"), "user:1000", "/usr/bin/id", "-u"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "PermissionError" in done.stderr:
        pytest.skip("sudo python -m pytest tests/unit/tracer/experiments/test_guest_programs.py")
    assert done.stdout == "1000\n"


def test_a_capability_is_gone_after_the_exec() -> None:
    if os.geteuid():
        pytest.skip("sudo python -m pytest tests/unit/tracer/experiments/test_guest_programs.py")
    command = [sys.executable, str(PROGRAMS / "become.py"), "without:sys_admin", "grep", "CapEff", "/proc/self/status"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "cannot be dropped" in done.stderr:
        pytest.skip("run it where CAP_SETPCAP may be used: sudo python -m pytest")
    assert int(done.stdout.split()[1], 16) >> become.CAPABILITIES["sys_admin"] & 1 == 0


def test_flags_by_name_are_their_bits() -> None:
    assert module_calls._number(["MODULE_INIT_IGNORE_VERMAGIC", "O_TRUNC"]).value == 2 | os.O_TRUNC
    assert module_calls._number(8).value == 8
    assert module_calls._open_flags({"flags": ["O_WRONLY"]}) == os.O_WRONLY


def test_an_image_is_the_file_s_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.ko").write_bytes(b"\x7fELF\0x")
    image, length = module_calls._image({"image": {"file": str(tmp_path / "a.ko")}})
    assert bytes(image)[:length] == b"\x7fELF\0x"  # type: ignore[call-overload]  # a ctypes buffer


@pytest.mark.parametrize("name", PREPARATIONS)
def test_every_preparation_can_be_named(name: str) -> None:
    argument = {"NAME": "sys_module", "KIB": "1000", "FILE": "other.ko"}.get(PREPARATIONS[name].argument)
    whole = f"{name}:{argument}" if argument else name
    assert problem_of_preparation(whole) is None
    words = [*commands_of(whole, "my.ko"), *prefix_of(whole, "my.ko")]
    assert words
    assert not any("$FILE" in word or "$ARGUMENT" in word for word in words)


def test_an_unknown_capability_is_named() -> None:
    assert "unknown capability 'fly'" in (problem_of_preparation("without-capability:fly") or "")


@pytest.mark.parametrize(
    "call",
    [
        {"call": "finit_module", "fd": {"open": "x", "flags": ["O_RDWR"]}, "params": "a=1", "flags": 0},
        {"call": "finit_module", "fd": 3, "flags": ["MODULE_INIT_IGNORE_VERMAGIC"], "in_thread": True},
        {"call": "init_module", "image": "bad-address", "len": 4},
        {"call": "delete_module", "name": {"of": "x.ko"}, "flags": ["O_NONBLOCK"]},
        {"call": "open", "path": "x", "flags": ["O_RDWR"]},
        {"call": "wait"},
    ],
)
def test_sound_calls_have_no_problem(call: dict[str, object]) -> None:
    assert problem_of(call) is None
