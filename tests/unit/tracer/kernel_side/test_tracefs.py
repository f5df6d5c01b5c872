"""Changes and how they are undone, on ordinary files; the real tracefs is in tests/machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tracer.errors import KernelSideUnavailable
from tracer.kernel_side import tracefs
from tracer.kernel_side.tracefs import Changes, find_tracefs, sweep, write


def control(folder: Path, text: str) -> Path:
    path = folder / "control"
    path.write_text(text)
    return path


def test_what_was_set_is_put_back_newest_first(tmp_path: Path) -> None:
    path, order = control(tmp_path, "nop"), []
    changes = Changes()
    changes.on_undo(lambda: order.append("first"))
    changes.set(path, "function", before="nop")
    changes.on_undo(lambda: order.append(path.read_text()))
    changes.undo()
    assert (order, path.read_text()) == (["function", "first"], "nop")
    changes.undo()
    assert order == ["function", "first"]


def test_one_failure_keeps_nothing_else_from_being_undone(tmp_path: Path) -> None:
    path = control(tmp_path, "1")
    changes = Changes()
    changes.set(path, "0", before="1")
    changes.on_undo((tmp_path / "gone").unlink)  # nothing left to undo: no failure
    changes.on_undo(tmp_path.rmdir)  # not empty
    with pytest.raises(OSError, match="not empty"):
        changes.undo()
    assert path.read_text() == "1"


def test_a_write_that_fails_is_undone_as_well(tmp_path: Path) -> None:
    changes = Changes()
    with pytest.raises(FileNotFoundError):
        changes.set(tmp_path / "none/control", "1", before="0")
    changes.undo()


def test_a_refused_write_names_the_file() -> None:
    with pytest.raises(OSError, match="No space left") as refused:
        write(Path("/dev/full"), "x")
    assert refused.value.filename == "/dev/full"


def test_only_our_own_instances_are_swept(tmp_path: Path) -> None:
    for name in ("pyinsmod-1", "pyinsmod-x", "somebody", "pyinsmod-12-old"):
        (tmp_path / "instances" / name).mkdir(parents=True)
    (tmp_path / "kprobe_events").write_text("")
    sweep(tmp_path)
    assert sorted(path.name for path in (tmp_path / "instances").iterdir()) == [
        "pyinsmod-12-old", "pyinsmod-x", "somebody",
    ]  # fmt: skip


def test_probes_whose_instance_lives_are_left_alone(tmp_path: Path) -> None:
    held = tmp_path / "instances/pyinsmod-7"
    (held / "busy").mkdir(parents=True)  # rmdir fails, as for one that is held open
    probes = tmp_path / "kprobe_events"
    probes.write_text("p:pyinsmod_7/enter__f f\n")
    sweep(tmp_path)
    assert probes.read_text() == "p:pyinsmod_7/enter__f f\n"


def test_a_dead_owners_probes_are_removed(tmp_path: Path) -> None:
    (tmp_path / "instances").mkdir()
    probes = tmp_path / "kprobe_events"
    probes.write_text("p:other/x f\nr16:pyinsmod_8/leave__f f result=$retval:s32\n")
    sweep(tmp_path)
    assert probes.read_text().endswith("-:pyinsmod_8/leave__f\n")
    assert "-:other" not in probes.read_text()


def test_without_tracefs_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracefs, "MOUNT_POINTS", (tmp_path / "none",))
    with pytest.raises(KernelSideUnavailable, match="watch needs tracefs: sudo mount -t tracefs"):
        find_tracefs("watch")
