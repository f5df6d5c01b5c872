"""The running system in the place of a disposable machine: a job's files are private, its kernel is not.

For whoever asked for just that. Nothing here undoes what a job does to the kernel; see `vm.guest.private_room` for
what it cannot touch.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from vm.errors import GuestHung, MachineLost, MissingTool
from vm.guest.private_room import HIDDEN, PATIENCE
from vm.jobs import Job, JobResult

#: Where a room's own folder is made: not below what is hidden in it.
PLACE = Path("/var/tmp")  # noqa: S108
ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LANG": "C"}


async def run_here(job: Job, kept: Iterable[str] = (), *, place: Path = PLACE, held: tuple[int, ...] = ()) -> JobResult:
    """Run a job on this system, as root.

    Args:
        job: what to run.
        kept: folders the job needs that may lie below /root, /tmp or /run, beside those of this Python.
        place: where the room's own folder is made; not below those.
        held: descriptors that stay open for as long as the room lives, though this process may be killed before.

    Raises:
        GuestHung: its time was up; its processes have been killed.
        MachineLost: the room could not be made; the text has mount's or Python's own words.
        MissingTool: there is no unshare(1).
    """
    if shutil.which("unshare") is None:
        raise MissingTool("unshare is not installed: sudo apt-get install util-linux")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="pyinsmod-", dir=place) as side:
        order = {
            "parent": os.getpid(),
            "argv": list(job.argv),
            "links": dict(job.links),
            "prepare": [list(command) for command in job.prepare],
            "cwd": job.cwd,
            "get": list(job.get),
            "files": {path: base64.b64encode(content).decode() for path, content in job.files.items()},
            "side": side,
            "kept": _folders([*kept, *_python_folders()]),
        }
        environment = {**ENVIRONMENT, **job.environment}
        said = await _in_private_room(json.dumps(order).encode(), environment, job.seconds, held)
    answer = json.loads(said)
    files = {path: base64.b64decode(content) for path, content in answer["files"].items()}
    return JobResult(
        status=answer["status"],
        stdout=base64.b64decode(answer["stdout"]),
        stderr=base64.b64decode(answer["stderr"]),
        files=files,
        missing={path: "no such file" for path in job.get if path not in files},
        console=(),
        seconds=time.monotonic() - started,
        not_started=answer["not_started"],
    )


async def _in_private_room(order: bytes, environment: dict[str, str], seconds: float, held: tuple[int, ...]) -> bytes:
    room = (sys.executable, "-P", "-m", "vm.guest.private_room")
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--propagation", "private", "--", *room),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
        pass_fds=held,
    )
    try:
        async with asyncio.timeout(seconds):
            said, complaint = await process.communicate(order)
    except TimeoutError as late:
        raise GuestHung(f"not done after {seconds:g} s") from late
    finally:
        await _end(process)
    if process.returncode:
        raise MachineLost(complaint.decode(errors="backslashreplace").strip().rpartition("\n")[2])
    return said


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the room, which ends its job; not at once when that is in a call that cannot be broken off."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
        try:
            async with asyncio.timeout(PATIENCE):
                await process.wait()
        except TimeoutError:
            process.kill()


def _python_folders() -> list[str]:
    """Return the folders this Python and what it imports come from."""
    return [sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent), *filter(None, sys.path)]


def _folders(paths: Iterable[str]) -> list[str]:
    """Return those that are folders, without what lies inside another one."""
    folders = sorted({str(Path(path).absolute()) for path in paths if Path(path).is_dir()})
    outer: list[str] = []
    for folder in folders:
        if folder in HIDDEN:
            raise MachineLost(
                f"{folder} is where experiments have their files: move what runs from it to a folder in it"
            )
        if not any(folder.startswith(f"{one}/") for one in outer):
            outer.append(folder)
    return outer
