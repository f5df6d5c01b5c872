"""Machines on the workers of a real Dask cluster: what they tell is what machines here tell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli import main
from tests.dask_cluster import Start, worker
from tracer.experiments.module_spec import ModuleSpec, build

pytestmark = pytest.mark.machine

CLAIMS = ("step-3-read", "step-7-release", "step-9-undefined", "step-13-aborted")


@pytest.fixture
def module(tmp_path: Path, kernel_tree: Path) -> Path:
    """A sound module."""
    path = tmp_path / "m.ko"
    path.write_bytes(build(ModuleSpec(), kernel_tree))
    return path


def tried(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, Any, str]:
    """Return the exit status, what was tried without how long it took, and what was said."""
    status = main(["try", "--json", *map(str, arguments)])
    output = capsys.readouterr()
    report = json.loads(output.out)
    for result in report["results"]:
        result["reality"]["seconds"] = result["reality"]["log"] = None
    return status, report, output.err


def test_a_worker_with_nothing_gets_what_it_needs_once(
    capsys: pytest.CaptureFixture[str], start: Start, scheduler: str, module: Path, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    worker(start, scheduler, tmp_path / "1", PYINSMOD_CACHE=str(cache))
    here = tried(capsys, module, "--kernel", "6.1")
    there = tried(capsys, module, "--kernel", "6.1", "--scheduler", scheduler)
    assert there[:2] == here[:2]
    assert "sending kernel 6.1" in there[2]
    assert "on a worker: snapshot of kernel 6.1 made" in there[2]
    assert not {path.name for path in cache.iterdir()} & {"kernels", "userland", "debs", "apt"}
    assert not list(cache.glob(".parts.*"))
    again = tried(capsys, module, "--kernel", "6.1", "--scheduler", scheduler)
    assert again == (*here[:2], "")


def test_a_killed_worker_loses_nothing(start: Start, scheduler: str, tmp_path: Path) -> None:
    """Killed when it has machines at work; each experiment is then done elsewhere, and told once."""
    workers = [worker(start, scheduler, tmp_path / str(number)) for number in range(2)]
    reports = tmp_path / "here.json", tmp_path / "there.json"
    chosen = [word for claim in CLAIMS for word in ("--claim", claim)]
    command = [sys.executable, "-m", "pyinsmod", "validate", "--kernel", "6.1", "--fresh", *chosen, "--json"]
    here = subprocess.run([*command, str(reports[0])], capture_output=True, text=True, check=False)
    with subprocess.Popen(
        [*command, str(reports[1]), "--scheduler", scheduler],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as there:  # fmt: skip
        machine = machine_of(workers[0].pid)
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        output, error = there.communicate()
    assert there.returncode == here.returncode, error
    assert not Path(f"/proc/{machine}/exe").exists()
    first, second = (json.loads(path.read_text()) for path in reports)
    assert verdicts(second) == verdicts(first)
    assert len(output.splitlines()) == len(here.stdout.splitlines())


def machine_of(worker_process: int) -> int:
    """Wait until a worker has a machine at work, and return its process."""
    for _ in range(600):
        listed = subprocess.run(
            ["ps", "-o", "pid=,comm=", "--ppid", str(worker_process)], capture_output=True, text=True, check=False
        )
        for line in listed.stdout.splitlines():
            number, name = line.split(None, 1)
            if name.startswith("qemu-system"):
                return int(number)
        time.sleep(0.05)
    raise AssertionError("no machine was started")


def verdicts(report: dict[str, Any]) -> dict[str, Any]:
    return {claim["id"]: (claim["verdict"], claim["by_run"]) for claim in report["claims"]}


@pytest.mark.parametrize("command", [["try", "m.ko"], ["validate", "--claim", "step-3-read"]])
def test_no_scheduler_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, module: Path, command: list[str]
) -> None:
    monkeypatch.setattr("pyinsmod.cluster.connection.CONNECT_TIMEOUT", "1s")
    os.chdir(module.parent)
    assert main([*command, "--scheduler", "tcp://127.0.0.1:9"]) == 3
    output = capsys.readouterr()
    assert "no scheduler answers at tcp://127.0.0.1:9" in output.err
    assert output.err.count("\n") == 1


def test_no_workers_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, module: Path, scheduler: str
) -> None:
    monkeypatch.setattr("pyinsmod.cluster.connection.PATIENCE", 1.0)
    assert main(["try", str(module), "--kernel", "6.1", "--scheduler", scheduler]) == 3
    assert "machine lost: the scheduler at" in capsys.readouterr().out
