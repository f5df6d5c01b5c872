"""Which snapshots are removed: those nobody is using, but for the newest of each kernel."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vm.cache import locked
from vm.snapshot import prune

SIZE = 1 << 16


@pytest.fixture
def snapshots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of a kernel's three snapshots, the first of them the oldest."""
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path))
    tmp_path.chmod(0o700)
    folder = tmp_path / "snapshots/6.1"
    for number, name in enumerate(("oldest", "older", "newest")):
        (folder / name).mkdir(parents=True)
        (folder / name / "devices").write_bytes(bytes(SIZE))
        os.utime(folder / name / "devices", (number, number))
        with locked(folder / name):
            pass
    return folder


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_dir()}


def test_the_newest_are_kept(snapshots: Path) -> None:
    assert prune("6.1", keep=1) >= 2 * SIZE
    assert left(snapshots) == {"newest"}
    assert prune() >= SIZE
    assert left(snapshots) == set()


def test_what_somebody_uses_is_kept(snapshots: Path) -> None:
    with locked(snapshots / "older", shared=True):
        prune("6.1")
    assert left(snapshots) == {"older"}


def test_several_that_remove_at_once_do_not_trip_over_each_other(snapshots: Path) -> None:
    for number in range(100):
        (snapshots / str(number)).mkdir()
        (snapshots / str(number) / "devices").write_bytes(b"x")
    with ThreadPoolExecutor(8) as pool:
        freed = list(pool.map(lambda _: prune("6.1", keep=1), range(8)))
    assert len(left(snapshots)) == 1
    assert sum(freed) >= 2 * SIZE
