from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from vm.cache import built_whole, cache_root, insist_on_own, locked, storage_errors_named, write_whole
from vm.errors import StoreBroken


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), built_whole(tmp_path / "thing") as scratch:
        (scratch / "half").write_text("half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_finished_build_replaces_the_old_one(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with built_whole(tmp_path / "thing") as scratch:
            (scratch / "content").write_text(text)
    assert (tmp_path / "thing/content").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "folder" / "file"
    write_whole(target, b"old")
    monkeypatch.setattr(Path, "replace", _killed)
    with pytest.raises(KeyboardInterrupt):
        write_whole(target, b"new, and longer")
    assert target.read_bytes() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["file"]


def _killed(*_arguments: object) -> None:
    raise KeyboardInterrupt


def _write_often(path: str, letter: str) -> None:
    for _ in range(200):
        write_whole(Path(path), letter.encode() * 100_000)


def test_nobody_reads_half_a_file(tmp_path: Path) -> None:
    target = tmp_path / "file"
    write_whole(target, b"a" * 100_000)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write_often, args=(str(target), letter)) for letter in "bc"]
    for writer in writers:
        writer.start()
    seen = set()
    while any(writer.is_alive() for writer in writers):
        content = target.read_bytes()
        seen.add((len(content), len(set(content))))
    assert seen == {(100_000, 1)}
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_cache_that_cannot_be_made_is_one_line_that_says_what_to_do(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreBroken, match=r"cannot be written: .*set PYINSMOD_CACHE to another folder"):
        insist_on_own(tmp_path / place)


def test_a_full_disk_is_one_line_that_says_what_to_do() -> None:
    with pytest.raises(StoreBroken, match=r"No space left.*PYINSMOD_CACHE"), storage_errors_named():
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_failures_keep_their_own_name() -> None:
    with pytest.raises(FileNotFoundError), storage_errors_named():
        raise FileNotFoundError(errno.ENOENT, "gone")


def test_the_environment_chooses_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path))
    assert cache_root() == tmp_path
    monkeypatch.delenv("PYINSMOD_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_root() == tmp_path / "pyinsmod"


def _add_one(path: str, counter: str) -> None:
    with locked(Path(path)):
        value = int(Path(counter).read_text())
        Path(counter).write_text(str(value + 1))


def test_builders_side_by_side_wait_for_each_other(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_add_one, args=(str(tmp_path / "lock"), str(counter))) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert counter.read_text() == "6"


def test_a_new_cache_is_for_its_owner_alone(tmp_path: Path) -> None:
    insist_on_own(tmp_path / "new/cache")
    assert (tmp_path / "new/cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o720, 0o702, 0o1777])
def test_a_cache_that_others_may_write_to_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, mode: int
) -> None:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path))
    tmp_path.chmod(mode)
    with pytest.raises(StoreBroken, match="can be written by others"), locked(tmp_path / "kernels/6.1"):
        pass


def test_another_users_cache_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    if owner == 0:  # what is root's may be used by all
        insist_on_own(tmp_path)
        os.chown(tmp_path, 4711, -1)
    with pytest.raises(StoreBroken, match="PYINSMOD_CACHE"):
        insist_on_own(tmp_path)


def _killed_builder(target: str) -> None:
    with built_whole(Path(target)) as scratch:
        (scratch / "half").write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


def test_what_a_killed_builder_left_is_removed_by_the_next(tmp_path: Path) -> None:
    builder = multiprocessing.get_context("spawn").Process(target=_killed_builder, args=(str(tmp_path / "thing"),))
    builder.start()
    builder.join()
    assert builder.exitcode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert (left / "half").exists()
    with built_whole(tmp_path / "other"):
        assert not left.exists()


def test_what_another_builder_works_in_is_left_alone(tmp_path: Path) -> None:
    with built_whole(tmp_path / "thing") as first:
        with built_whole(tmp_path / "thing") as second:
            assert first.exists()
            (second / "content").write_text("second")
        (first / "content").write_text("first")
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]
    assert (tmp_path / "thing/content").read_text() == "first"


def test_nothing_else_is_taken_for_a_builders(tmp_path: Path) -> None:
    others = [tmp_path / ".thing.lock", tmp_path / ".thing", tmp_path / "thing.abcdefgh", tmp_path / ".a.ABCDEFGH"]
    for path in others:
        path.mkdir()
    with built_whole(tmp_path / "thing"):
        pass
    assert all(path.is_dir() for path in others)
