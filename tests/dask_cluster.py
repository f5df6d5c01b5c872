"""A real scheduler and real workers of Dask, for tests; they end with the test."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[1])
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A function that starts a program of Dask; all of them end with the test."""
    pytest.importorskip("distributed", reason="pip install 'pyinsmod[cluster]'")
    with contextlib.ExitStack() as stack:

        def run(
            *command: str, ahead: tuple[str, ...] = (), path: str = ROOT, **environment: str
        ) -> subprocess.Popen[bytes]:
            program = [*ahead, sys.executable, "-m", *command, "--no-dashboard"]
            log = stack.enter_context((tmp_path / "dask.log").open("ab"))
            process = subprocess.Popen(
                program,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": path, **environment},
                cwd=tmp_path,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        yield run


@pytest.fixture
def scheduler_process(start: Start, tmp_path: Path) -> subprocess.Popen[bytes]:
    """A scheduler."""
    file = tmp_path / "scheduler.json"
    return start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))


@pytest.fixture
def scheduler(scheduler_process: subprocess.Popen[bytes], tmp_path: Path) -> str:
    """Its address, once it has one."""
    address = address_in(tmp_path / "scheduler.json")
    assert scheduler_process.poll() is None
    return address


def address_in(file: Path) -> str:
    """Return the address that a scheduler writes into a file."""
    for _ in range(200):
        with contextlib.suppress(OSError, ValueError, KeyError):
            return str(json.loads(file.read_text())["address"])
        time.sleep(0.1)
    raise AssertionError((file.parent / "dask.log").read_text())


def worker(
    start: Start, scheduler: str, folder: Path, *, ahead: tuple[str, ...] = (), **environment: str
) -> subprocess.Popen[bytes]:
    """Start a worker that nobody starts again when it dies."""
    options = ("--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
    return start("distributed.cli.dask_worker", scheduler, *options, ahead=ahead, **environment)
