"""Borrowing the top-level buffer, on a folder that looks like tracefs; the real one is in tests/machine."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tracer.errors import KernelSideUnavailable
from tracer.kernel_side import top_level
from tracer.kernel_side.top_level import TopLevel, recover_unless_in_use
from tracer.kernel_side.tracefs import Changes

UNUSED = {
    "current_tracer": "nop\n",
    "set_ftrace_filter": "#### all functions enabled ####\n",
    "set_ftrace_notrace": "#### no functions disabled ####\n",
    "set_ftrace_pid": "no pid\n",
    "set_event": "",
    "set_event_pid": "",
    "tracing_on": "1\n",
    "trace_clock": "[local] global mono\n",
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the journal is root's: run as root")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(top_level, "JOURNAL", tmp_path / "run/tracefs.json")
    folder = tmp_path / "tracing"
    folder.mkdir()
    for name, text in UNUSED.items():
        (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("current_tracer", "function"),
        ("set_ftrace_filter", "schedule"),
        ("set_ftrace_pid", "17"),
        ("set_event", "sched:sched_switch"),
    ],
)
def test_what_somebody_uses_is_not_borrowed(root: Path, name: str, text: str) -> None:
    (root / name).write_text(text)
    changes = Changes()
    with pytest.raises(KernelSideUnavailable, match=f"another tracer is using tracefs: its {name} is not"):
        TopLevel(root, changes)
    changes.undo()
    assert (root / name).read_text() == text


def test_events_in_the_buffer_are_somebodys(root: Path) -> None:
    stats = root / "per_cpu/cpu0/stats"
    stats.parent.mkdir(parents=True)
    stats.write_text("entries: 3\noverrun: 0\n")
    with pytest.raises(KernelSideUnavailable, match="its buffer has events in it"):
        TopLevel(root, Changes())


def test_what_was_changed_is_put_back(root: Path) -> None:
    changes = Changes()
    place = TopLevel(root, changes)
    place.use_clock()
    place.set("set_ftrace_pid", "17")
    assert [(root / name).read_text() for name in ("tracing_on", "trace_clock")] == ["0", "mono"]
    changes.undo()
    assert [(root / name).read_text() for name in ("tracing_on", "trace_clock")] == ["1", "local"]
    assert (root / "set_ftrace_pid").read_text().strip() == ""


def test_only_one_has_it_at_a_time(root: Path) -> None:
    first = Changes()
    TopLevel(root, first)
    with pytest.raises(KernelSideUnavailable, match="another pyinsmod is tracing"):
        TopLevel(root, Changes())
    first.undo()
    TopLevel(root, Changes())


def test_the_journal_of_one_that_was_killed_is_made_good(root: Path) -> None:
    top_level.JOURNAL.parent.mkdir(mode=0o700)
    top_level.JOURNAL.write_text(json.dumps({"tracing_on": "1", "current_tracer": "nop", "no/such": "x"}))
    top_level.JOURNAL.chmod(0o600)
    (root / "tracing_on").write_text("0")
    (root / "current_tracer").write_text("function_graph")
    recover_unless_in_use(root)
    assert [(root / name).read_text() for name in ("tracing_on", "current_tracer")] == ["1", "nop"]
    assert top_level.JOURNAL.read_text() == ""


def test_the_journal_has_what_was_found_however_often_it_was_changed(root: Path) -> None:
    place = TopLevel(root, Changes())
    place.set("trace_clock", "a clock with a long name")
    place.set("trace_clock", "mono")
    assert json.loads(top_level.JOURNAL.read_text()) == {"trace_clock": "local"}


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"a": 1}', '{"../x": "y"}', '{"PLACE/x": "y"}'])
def test_a_damaged_journal_harms_nothing(root: Path, text: str) -> None:
    top_level.JOURNAL.parent.mkdir(mode=0o700)
    top_level.JOURNAL.write_text(text.replace("PLACE", str(root.parent)))
    top_level.JOURNAL.chmod(0o600)
    recover_unless_in_use(root)
    assert {name: (root / name).read_text() for name in UNUSED} == UNUSED
    assert not (root.parent / "x").exists()


def test_a_journal_others_could_have_written_is_not_believed(root: Path) -> None:
    top_level.JOURNAL.parent.mkdir(mode=0o700)
    top_level.JOURNAL.write_text(json.dumps({"tracing_on": "0"}))
    top_level.JOURNAL.chmod(0o666)
    with pytest.raises(KernelSideUnavailable, match="could have been written by others"):
        TopLevel(root, Changes())
    recover_unless_in_use(root)
    assert (root / "tracing_on").read_text() == UNUSED["tracing_on"]
