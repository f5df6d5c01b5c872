"""Jobs on this system itself: none of them loads anything."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vm.errors import GuestHung, MachineLost
from vm.jobs import Job, JobResult
from vm.running_system import run_here

OUTPUT, ABSENT = "/tmp/pyinsmod-test-output", "/tmp/pyinsmod-test-absent"  # noqa: S108 - in a room of its own
MOUNT_POINTS = "/var/tmp"  # noqa: S108
TRIAL = ("unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt")

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or subprocess.run(TRIAL, check=False).returncode != 0,
    reason="only root may mount, and not in every container",
)


def done(job: Job, *kept: str) -> JobResult:
    return asyncio.run(run_here(job, kept))


def shell(script: str, **how: object) -> JobResult:
    return done(Job(("sh", "-c", script), **how))  # type: ignore[arg-type]


def test_files_commands_and_results_are_private() -> None:
    before = sorted(Path("/usr/sbin").iterdir())
    result = shell(
        "cat in; greet; echo out > $OUTPUT; echo oops >&2; exit 7",
        environment={"OUTPUT": OUTPUT},
        files={"/root/in": b"\xff\n"},
        links={"/usr/sbin/greet": "/usr/bin/uname"},
        get=(OUTPUT, ABSENT),
    )
    assert (result.status, result.stdout, result.stderr) == (7, b"\xff\nLinux\n", b"oops\n")
    assert result.files == {OUTPUT: b"out\n"}
    assert set(result.missing) == {ABSENT}
    assert not Path(OUTPUT).exists()
    assert sorted(Path("/usr/sbin").iterdir()) == before


def test_a_command_of_the_systems_can_be_put_in_its_place_for_the_time() -> None:
    before = Path("/usr/bin/uname").read_bytes()
    result = done(Job(("uname",), files={"/usr/bin/uname": b"#!/bin/sh\necho another\n"}))
    assert (result.status, result.stdout) == (0, b"another\n")
    assert Path("/usr/bin/uname").read_bytes() == before


@pytest.mark.parametrize("folder", ["/usr/bin", "/etc", MOUNT_POINTS, "/", "kept"])
def test_nothing_else_can_be_written_to(folder: str, tmp_path: Path) -> None:
    place = str(tmp_path) if folder == "kept" else folder
    result = done(Job(("touch", f"{place}/pyinsmod-test-file")), str(tmp_path))
    assert (result.status, b"Read-only file system" in result.stderr) == (1, True)
    assert not Path(place, "pyinsmod-test-file").exists()


def test_what_is_kept_is_where_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("here\n")
    assert done(Job(("cat", str(tmp_path / "a"))), str(tmp_path)).stdout == b"here\n"
    assert done(Job(("cat", "/root/.profile"))).status == 1


def test_a_preparation_that_fails_is_told() -> None:
    result = shell("true", prepare=(("sh", "-c", "echo no >&2; exit 3"),))
    assert result.not_started is not None
    assert "no" in result.not_started


def test_a_command_that_does_not_exist_is_told() -> None:
    assert "no-such-thing" in (done(Job(("no-such-thing",))).not_started or "")


@pytest.mark.parametrize("script", ["sleep 1234567 & true", "setsid sleep 1234567 & exec sleep 1234567"])
def test_nothing_is_left_running(script: str) -> None:
    try:
        shell(script, seconds=2.0)
    except GuestHung:
        assert "exec" in script
    assert not running("1234567")


def test_a_job_that_is_not_done_in_time_is_ended() -> None:
    before, started = mount_points(), time.monotonic()
    with pytest.raises(GuestHung, match="not done after 1 s"):
        shell("sleep 100", seconds=1.0)
    assert time.monotonic() - started < 60
    assert mount_points() <= before


def test_nothing_is_left_running_when_whoever_asked_is_killed() -> None:
    job = "import asyncio, vm.running_system as r, vm.jobs as j; asyncio.run(r.run_here(j.Job(('sleep', '7654321'))))"
    before = mount_points()
    with subprocess.Popen([sys.executable, "-c", job]) as asking:
        wait_for(lambda: len(running("7654321")) >= 1)
        asking.kill()
    wait_for(lambda: not running("7654321"))
    for empty in mount_points() - before:
        empty.rmdir()


def mount_points() -> set[Path]:
    """Return the folders that rooms are made in."""
    return set(Path(MOUNT_POINTS).glob("pyinsmod-*"))


def test_what_runs_from_where_the_experiments_files_go_is_refused() -> None:
    with pytest.raises(MachineLost, match="/root is where"):
        done(Job(("true",)), "/root")


def running(mark: str) -> list[int]:
    """Return the sleeps with this argument; who starts them has it among its arguments, too."""
    wanted = f"sleep\0{mark}\0".encode()
    return [int(path.parent.name) for path in Path("/proc").glob("[0-9]*/cmdline") if _read(path) == wanted]


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
