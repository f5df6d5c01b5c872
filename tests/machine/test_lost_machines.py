"""QEMU killed at any moment, a disk that is full: one clear end, nothing left behind, and the next run works."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.cli.guest import STANDS_BY, guest_content
from pyinsmod.cli.laboratory import TRACE, USUAL_MODULE
from vm.cache import cache_root
from vm.errors import MachineLost
from vm.jobs import Job
from vm.kernel_store import fetch
from vm.run import laboratory
from vm.snapshot import Snapshot

pytestmark = pytest.mark.machine

KERNEL = "6.1"
JOB = Job(("sh", "-c", "sleep 0.3; echo done"), files={"/root/file": os.urandom(200_000)}, get=("/root/file",))
MOMENTS = 10
LONGEST = 1.5  # seconds; a job takes one or so
SMALL_CACHE = """
mount -t tmpfs -o size={size},mode=0700 tmpfs {folder}
PYINSMOD_CACHE={folder} {python} -m pyinsmod vm fetch {kernel}
status=$?
find {folder}/kernels -mindepth 1 ! -name '.*.lock'
exit $status
"""


# With kernel and userland already there, so that the machine itself is what finds no room.
SMALL_FOR_A_MACHINE = """
mount -t tmpfs -o size={size},mode=0700 tmpfs {folder}
ln -s {cache}/kernels {cache}/userland {folder}
PYINSMOD_CACHE={folder} {python} -m pyinsmod vm run {kernel} -- true
status=$?
find {folder}/snapshots -type f ! -name '.*.lock'
exit $status
"""


def emulators() -> list[int]:
    """Return the QEMU processes that this process has started, or its children have."""
    ours, found = {os.getpid()}, []
    processes = sorted(int(path.name) for path in Path("/proc").glob("[0-9]*"))
    for pid in processes:
        with contextlib.suppress(OSError):
            name, rest = Path(f"/proc/{pid}/stat").read_text().split("(", 1)[1].rsplit(")", 1)
            if int(rest.split()[1]) in ours:
                ours.add(pid)
                found += [pid] if name.startswith("qemu-system") and rest.split()[0] != "Z" else []
    return found


async def ended(killed_after: float | None = None) -> str:
    """Run a job whose machine is killed after so many seconds; return how it ended."""
    async with laboratory(fetch(KERNEL), guest_content(), print) as machines:
        await machines.ready()
        job = asyncio.create_task(machines.run(JOB))
        if killed_after is not None:
            await asyncio.sleep(killed_after)
            for pid in emulators():
                os.kill(pid, signal.SIGKILL)
        try:
            result = await job
        except MachineLost as lost:
            return str(lost)
        assert result.files["/root/file"] == JOB.files["/root/file"]
        return result.stdout.decode()


def moments() -> list[float]:
    chance = random.Random(2026)
    return [chance.uniform(0, LONGEST) for _ in range(MOMENTS)]


@pytest.mark.parametrize("seconds", moments())
def test_a_machine_that_is_killed_is_lost_or_was_done(seconds: float) -> None:
    end = asyncio.run(ended(seconds))
    assert end == "done\n" or "killed by signal 9" in end
    assert emulators() == []


def test_the_next_run_works() -> None:
    assert asyncio.run(ended()) == "done\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
@pytest.mark.parametrize("size", ["2m", "60m"])
def test_a_full_disk_is_one_line_and_leaves_no_half_kernel(tmp_path: Path, size: str) -> None:
    script = SMALL_CACHE.format(size=size, folder=tmp_path, python=sys.executable, kernel=KERNEL)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    *progress, line = done.stderr.splitlines()
    assert "No space left on device" in line
    assert "PYINSMOD_CACHE" in line
    assert not [said for said in progress if "Traceback" in said]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system")
@pytest.mark.parametrize("size", ["100k", "60m", "300m"])
def test_a_machine_without_room_for_its_memory_says_so(tmp_path: Path, size: str) -> None:
    fetch(KERNEL)
    script = SMALL_FOR_A_MACHINE.format(
        size=size, folder=tmp_path, cache=cache_root(), python=sys.executable, kernel=KERNEL
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert "PYINSMOD_CACHE" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def shortened(snapshot: Snapshot) -> None:
    os.truncate(snapshot.devices, snapshot.devices.stat().st_size - 1)


def flipped(snapshot: Snapshot) -> None:
    content = bytearray(snapshot.devices.read_bytes())
    content[len(content) // 2] ^= 1
    snapshot.devices.write_bytes(content)


def without_end(snapshot: Snapshot) -> None:
    os.truncate(snapshot.memory, snapshot.memory.stat().st_size - 4096)


@pytest.mark.parametrize("damage", [shortened, flipped, without_end])
def test_a_damaged_snapshot_is_made_anew(
    damage: Callable[[Snapshot], None], capsys: pytest.CaptureFixture[str]
) -> None:
    argv = (STANDS_BY, USUAL_MODULE, *TRACE)

    async def ready() -> Snapshot:
        async with laboratory(fetch(KERNEL), guest_content(), print) as machines:
            return await machines.standing_by(*argv).ready()

    snapshot = asyncio.run(ready())
    capsys.readouterr()
    damage(snapshot)
    assert not snapshot.is_whole
    assert asyncio.run(ready()).is_whole
    assert capsys.readouterr().out.count("stands by in kernel") == 1
