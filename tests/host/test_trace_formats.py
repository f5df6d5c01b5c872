"""`pyinsmod trace -c` against `strace -c`, and `--format perfetto`, on real commands."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trace_events import problems_of

PYTHON = (sys.executable, "-I", "-S", "-c")
THREADS = "import threading, os; [threading.Thread(target=os.getppid).start() for _ in range(3)]"
COMMANDS = [
    ("true",),
    ("ls", "/proc/self/fd", "/no/such/file"),
    # One child after the other: of two at once, the SIGCHLDs can become one, and there is one rt_sigreturn less.
    ("sh", "-c", "ls /; cat /no/such/file; ls /no/such/file"),
    (*PYTHON, "import os; os.stat('/'); [os.getppid() for _ in range(100)]"),
]


def traced(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pyinsmod", "trace", *arguments], check=False, capture_output=True)


def counts(table: str) -> dict[str, tuple[str, str]]:
    """Return call → its count and its errors; columns as strace aligns them."""
    lines = [line for line in table.splitlines() if line[:3].strip() and line[0] not in "%-"]
    return {line[51:].strip(): (line[31:41].strip(), line[41:51].strip()) for line in lines}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0].rpartition("/")[2])
def test_calls_and_errors_are_counted_as_by_strace(tmp_path: Path, command: tuple[str, ...]) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    traced("-c", "-o", str(ours), "--", *command)
    subprocess.run(["strace", "-f", "-c", "-o", str(theirs), *command], check=False, capture_output=True)
    wanted = counts(theirs.read_text())
    assert wanted["total"][0] > "0"
    assert counts(ours.read_text()) == wanted


def test_the_table_comes_alone_or_after_the_trace(tmp_path: Path) -> None:
    alone, too, as_json = tmp_path / "alone", tmp_path / "too", tmp_path / "json"
    traced("-c", "-o", str(alone), "--", "true")
    traced("-C", "-o", str(too), "--", "true")
    traced("-c", "--format", "json", "-o", str(as_json), "--", "true")
    assert alone.read_text().startswith("% time")
    assert "exited with 0" in too.read_text().partition("% time")[0]
    assert json.loads(as_json.read_text())["total"]["calls"] == int(counts(alone.read_text())["total"][0])


@pytest.mark.parametrize("command", [*COMMANDS, (*PYTHON, THREADS)], ids=lambda command: command[0].rpartition("/")[2])
def test_trace_events_are_sound(tmp_path: Path, command: tuple[str, ...]) -> None:
    target = tmp_path / "events.json"
    traced("--format", "perfetto", "-o", str(target), "--", *command)
    events = json.loads(target.read_text())
    assert problems_of(events) == []
    assert any(event["ph"] == "X" and event["name"] == "execve" for event in events)


def test_threads_share_a_process(tmp_path: Path) -> None:
    target = tmp_path / "events.json"
    traced("--format", "perfetto", "-o", str(target), "--", *PYTHON, THREADS)
    tracks = {(event["pid"], event["tid"]) for event in json.loads(target.read_text()) if event["ph"] == "X"}
    assert len(tracks) == 4
    assert len({process for process, _ in tracks}) == 1


def test_a_table_and_trace_events_do_not_share_a_file() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyinsmod", "trace", "-C", "--format", "perfetto", "--", "true"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.count("\n") <= 4
