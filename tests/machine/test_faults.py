"""Clocks that jump, parents that are killed, runs side by side: nothing lost, nothing left, and the next run works."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from pyinsmod.cli.guest import guest_content
from tests.machine.conftest import InMachine
from vm.cache import cache_root
from vm.cache_folder import CACHE_VARIABLE
from vm.jobs import Job, JobResult
from vm.kernel_store import fetch
from vm.run import laboratory

pytestmark = pytest.mark.machine

REPOSITORY = Path(__file__).parents[2]
KERNEL = "6.1"
CLAIM = "failure-vermagic"
VALIDATE = ("validate", "--kernel", KERNEL, "--loader", "busybox", "--claim", CLAIM, "--json", "-")
# Moments at which a run is killed, as parts of what it takes: boot, freeze, a program that stands by, experiments.
KILLS = 3
JUMPS = """
date -s @86400 >/dev/null
insmod "$(find /lib/modules -name 'dummy.ko*')"
date -s @4000000000 >/dev/null
rmmod dummy
date -s @1700000000 >/dev/null
echo done
"""
GONE_SECONDS = 20.0
PATIENCE = 600.0  # emulated, on a host that has other work


class TestTheClockJumps:
    def test_in_a_traced_system_and_every_record_keeps_its_place(self, in_machine: InMachine) -> None:
        trace = [
            "pyinsmod",
            "trace",
            "--kernel-events",
            "--quick",
            "--format",
            "json",
            "-o",
            "/root/records.jsonl",
            "--",
        ]
        result = in_machine([*trace, "sh", "-c", JUMPS], get=("/root/records.jsonl",), seconds=PATIENCE)
        assert (result.status, result.stdout) == (0, b"done\n"), result.stderr
        lines = result.files["/root/records.jsonl"].decode().splitlines()
        header, *records = [json.loads(line) for line in lines]
        assert header["clock"] == "CLOCK_MONOTONIC"
        calls = [record["name"] for record in records if record["type"] == "syscall"]
        assert [name for name in calls if name.endswith("_module")] == ["finit_module", "delete_module"]
        within = [record for record in records if record["type"] in ("syscall", "kernel_call", "log", "uevent", "exec")]
        assert {"syscall", "kernel_call", "uevent"} <= {record["type"] for record in within}
        begin, end = min(record["t"] for record in within), max(record["t"] for record in within)
        assert 0 < end - begin < result.seconds * 1e9
        assert all(0 <= (record.get("duration") or 0) <= end - begin for record in within)

    @pytest.mark.parametrize("now", [0.0, 4e9])
    def test_on_the_host_of_a_machine_that_runs(self, monkeypatch: pytest.MonkeyPatch, now: float) -> None:

        async def main() -> JobResult:
            async with laboratory(fetch(KERNEL), guest_content(), print) as machines:
                await machines.ready()
                job = asyncio.create_task(machines.run(Job(("sh", "-c", "sleep 0.5; date +%s"), seconds=PATIENCE)))
                monkeypatch.setattr(time, "time", lambda: now)
                await asyncio.sleep(0.2)
                monkeypatch.setattr(time, "time", lambda: 4e9 - now)
                return await job

        done = asyncio.run(main())
        assert done.status == 0
        assert done.stdout.strip().isdigit()

    def test_between_runs_and_the_machines_there_are_still_count(self, own_cache: Path, mark: dict[str, str]) -> None:
        assert verdict(finished(start(mark))) == "confirmed"
        for moment in (0, 4_000_000_000):
            for path in own_cache.rglob("*"):
                if not path.is_symlink():
                    os.utime(path, (moment, moment))
            again = start(mark)
            output, errors = again.communicate(timeout=PATIENCE)
            assert verdict(output) == "confirmed"
            assert b"booting kernel" not in errors


class TestWhoeverRunsItIsKilled:
    """`pyinsmod validate`, with SIGKILL: its machines end with it, and the next run finds nothing half made."""

    def test_at_any_moment(self, own_cache: Path, mark: dict[str, str]) -> None:
        chance = random.Random(2026)
        started = time.monotonic()
        assert verdict(finished(start(mark))) == "confirmed"
        whole = time.monotonic() - started
        for _ in range(KILLS):
            forget_machines(own_cache)
            killed = start(mark)
            time.sleep(chance.uniform(0.1, 0.9) * whole)
            killed.kill()
            killed.communicate()
            wait_until_gone(mark)
        assert verdict(finished(start(mark))) == "confirmed"
        assert leftovers(own_cache) == []


class TestSideBySide:
    def test_two_runs_share_one_boot_and_say_the_same(self, own_cache: Path, mark: dict[str, str]) -> None:
        both = [start(mark), start(mark)]
        ended = [process.communicate(timeout=PATIENCE) for process in both]
        assert [verdict(output) for output, _ in ended] == ["confirmed", "confirmed"]
        assert sum(errors.count(b"booting kernel") for _, errors in ended) == 1
        assert leftovers(own_cache) == []


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with this one's kernels and userland, and no machine or trace yet."""
    fetch(KERNEL)
    for name in ("kernels", "userland", "accelerator.json"):
        if (cache_root() / name).exists():
            (tmp_path / name).symlink_to(cache_root() / name)
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def mark() -> Iterator[dict[str, str]]:
    """What all processes of this test have in their environment; none of them is left."""
    mark = {"PYINSMOD_TEST": str(uuid.uuid4())}
    yield mark
    for pid in marked(mark):
        os.kill(pid, signal.SIGKILL)


def start(mark: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "pyinsmod", *VALIDATE],
        env={**os.environ, **mark, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finished(process: subprocess.Popen[bytes]) -> bytes:
    return process.communicate(timeout=PATIENCE)[0]


def verdict(output: bytes) -> str:
    (claim,) = json.loads(output)["claims"]
    return str(claim["verdict"])


def marked(mark: dict[str, str]) -> list[int]:
    ((name, value),) = mark.items()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"{name}={value}\0".encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def wait_until_gone(mark: dict[str, str]) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while marked(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert marked(mark) == []


def forget_machines(cache: Path) -> None:
    """What the run is killed in the making of is not to be there yet."""
    for name in ("snapshots", "traces"):
        subprocess.run(["rm", "-rf", cache / name], check=True)


def leftovers(cache: Path) -> list[str]:
    """Return what no finished run has in its cache."""
    names = [str(path.relative_to(cache)) for path in cache.rglob("*") if not path.is_symlink()]
    return [name for name in names if re.search(r"(^|/)\.(?!.*\.lock$)|/part$|/tmp\w{8}$", name)]
