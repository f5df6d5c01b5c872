"""A tree checked by a Dask cluster: a real scheduler and real worker processes, of which some are killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli import main
from pyinsmod.cluster.code import own_code
from pyinsmod.cluster.engine import DaskCluster
from pyinsmod.tree import basis
from pyinsmod.tree.tree_check import TreeCheck
from pyinsmod.tree.workers import Done, Lost
from tests.dask_cluster import ROOT, Start, address_in, worker
from vm.kernel_store import fetch

SOME = 60


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Modules of 6.1, and what is none."""
    root = tmp_path / "tree"
    root.mkdir()
    for file in sorted((fetch("6.1").root / "lib/modules").rglob("*.ko"))[::13][:SOME]:
        shutil.copyfile(file, root / file.name)
    (root / "gone.ko").symlink_to("/nonexistent")
    (root / "text.ko").write_text("no module")
    (root / "damaged.ko.xz").write_bytes(b"\xfd7zXZ\0damaged")
    os.mkfifo(root / "pipe.ko")
    return root


def results(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, list[Any]]:
    status = main(["check", "--json", "--no-cache", *map(str, arguments)])
    return status, json.loads(capsys.readouterr().out)["results"]


def test_workers_tell_what_is_told_here(
    capsys: pytest.CaptureFixture[str], start: Start, scheduler: str, tree: Path, tmp_path: Path
) -> None:
    worker(start, scheduler, tmp_path / "1")
    worker(start, scheduler, tmp_path / "2")
    kernels = ("--kernel", "6.1", "--kernel", "6.12", "--kernel", "7.2")
    here = results(capsys, tree, *kernels)
    assert len(here[1]) == (SOME + 4) * 3
    for _ in range(2):  # the second time workers have everything already
        assert results(capsys, tree, *kernels, "--scheduler", scheduler) == here


def test_workers_that_do_not_have_the_files_get_them(
    capsys: pytest.CaptureFixture[str], start: Start, scheduler: str, tree: Path, tmp_path: Path
) -> None:
    hidden = ("unshare", "-rm", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"', str(tree))
    if subprocess.run([*hidden, "true"], check=False, capture_output=True).returncode:
        pytest.skip("unshare -rm: this machine allows no user namespaces")
    worker(start, scheduler, tmp_path / "1", ahead=hidden)
    kernels = ("--kernel", "6.1", "--kernel", "6.12")
    assert results(capsys, tree, *kernels, "--scheduler", scheduler) == results(capsys, tree, *kernels)


def test_workers_need_not_look_at_what_is_kept(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    start: Start,
    scheduler: str,
    tree: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr(basis, "YOUNG", 0)
    worker(start, scheduler, tmp_path / "1")
    looked_at: list[str] = []
    scan = DaskCluster.scan

    def watched(
        cluster: DaskCluster, check: TreeCheck, batches: Sequence[Sequence[str]], places: Sequence[int]
    ) -> Iterator[Done | Lost]:
        looked_at.extend(Path(file).name for batch in batches for file in batch)
        return scan(cluster, check, batches, places)

    monkeypatch.setattr(DaskCluster, "scan", watched)
    command = ["check", str(tree), "--kernel", "6.1", "--scheduler", scheduler]
    told = [(main(command), capsys.readouterr().out) for _ in range(2)]
    assert told[0] == told[1]
    once = [file.name for file in tree.iterdir()]
    assert sorted(looked_at) == sorted([*once, "gone.ko", "damaged.ko.xz", "pipe.ko"])


def streaming(modules: Path) -> list[str]:
    """Return a check that takes a while and prints each result as it comes."""
    check = [sys.executable, "-m", "pyinsmod", "check", str(modules), "--kernel", "6.12"]
    return [*check, "--json-lines", "--no-cache"]


def test_a_killed_worker_loses_nothing_and_nothing_is_told_twice(start: Start, scheduler: str, tmp_path: Path) -> None:
    """Killed when the first results are there and most of the work is not done."""
    workers = [worker(start, scheduler, tmp_path / str(number)) for number in range(2)]
    modules = fetch("6.1").root / "lib/modules"
    command = streaming(modules)
    with subprocess.Popen([*command, "--scheduler", scheduler], stdout=subprocess.PIPE, text=True) as check:
        assert check.stdout
        lines = [check.stdout.readline() for _ in range(10)]
        workers[0].send_signal(signal.SIGKILL)
        workers[0].wait()
        lines += check.stdout.readlines()
    here = subprocess.run(command, capture_output=True, text=True, check=False)
    assert check.returncode == here.returncode == 1
    assert len(lines) == len(list(modules.rglob("*.ko"))) > 1000
    assert sorted(lines) == sorted(here.stdout.splitlines(keepends=True))


def test_all_workers_killed_and_another_one_started(start: Start, scheduler: str, tmp_path: Path) -> None:
    """What they all had was shipped to them: it is made again for the one that comes."""
    first = worker(start, scheduler, tmp_path / "1")
    modules = fetch("6.1").root / "lib/modules"
    command = streaming(modules)
    with subprocess.Popen([*command, "--scheduler", scheduler], stdout=subprocess.PIPE, text=True) as check:
        assert check.stdout
        lines = [check.stdout.readline() for _ in range(10)]
        first.send_signal(signal.SIGKILL)
        first.wait()
        worker(start, scheduler, tmp_path / "2")
        lines += check.stdout.readlines()
    files = [json.loads(line)["file"] for line in lines]
    assert check.returncode == 1
    assert len(files) == len(set(files)) == len(list(modules.rglob("*.ko")))


def test_a_cluster_without_this_package_is_one_line(
    capsys: pytest.CaptureFixture[str], start: Start, tree: Path, tmp_path: Path
) -> None:
    """Where a folder of the same name stands before the real one."""
    (tmp_path / "other/pyinsmod").mkdir(parents=True)
    (tmp_path / "other/pyinsmod/__init__.py").touch()
    file = tmp_path / "scheduler.json"
    options = ("--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file))
    start("distributed.cli.dask_scheduler", *options, path=str(tmp_path / "other"))
    assert main(["check", str(tree), "--kernel", "6.1", "--scheduler", address_in(file)]) == 2
    error = capsys.readouterr().err
    assert "need pyinsmod" in error
    assert error.count("\n") == 1


def test_a_worker_with_other_code_is_one_line(
    capsys: pytest.CaptureFixture[str], start: Start, scheduler: str, tree: Path, tmp_path: Path
) -> None:
    """Of the same release: one file of it is not the same."""
    other = tmp_path / "other"
    for package in ("pyinsmod", "tracer", "vm"):
        shutil.copytree(Path(ROOT) / package, other / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["check", "--no-cache", str(tree), "--kernel", "6.1", "--scheduler", scheduler]
    first = worker(start, scheduler, tmp_path / "1", path=str(other))
    assert main(command) == 1, "the same code in another place"
    first.kill()
    first.wait()
    with (other / "pyinsmod/checks/vermagic.py").open("a") as file:
        file.write("# changed\n")
    capsys.readouterr()
    worker(start, scheduler, tmp_path / "2", path=str(other))
    assert main(command) == 2
    error = capsys.readouterr().err
    assert "on a worker" in error
    assert error.count("\n") == 1
    assert own_code() in error


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense://x", "tcp://127.0.0.1:port"])
def test_no_scheduler_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tree: Path, address: str
) -> None:
    monkeypatch.setattr("pyinsmod.cluster.connection.CONNECT_TIMEOUT", "1s")
    assert main(["check", str(tree), "--kernel", "6.1", "--scheduler", address]) == 3
    assert capsys.readouterr().err.count("\n") == 1


def test_no_workers_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, scheduler: str, tree: Path
) -> None:
    monkeypatch.setattr("pyinsmod.cluster.connection.PATIENCE", 1.0)
    assert main(["check", str(tree), "--kernel", "6.1", "--scheduler", scheduler]) == 3
    error = capsys.readouterr().err
    assert "no workers" in error
    assert error.count("\n") == 1


def test_a_scheduler_that_goes_is_one_line(
    start: Start, scheduler_process: subprocess.Popen[bytes], scheduler: str, tmp_path: Path
) -> None:
    worker(start, scheduler, tmp_path / "1")
    modules = fetch("6.1").root / "lib/modules"
    command = streaming(modules)
    with subprocess.Popen(
        [*command, "--scheduler", scheduler], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as check:
        assert check.stdout
        check.stdout.readline()
        scheduler_process.kill()
        _, error = check.communicate(timeout=60)
    assert (check.returncode, error.count("\n")) == (3, 1), error
    assert "scheduler" in error
