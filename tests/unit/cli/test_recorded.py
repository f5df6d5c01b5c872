from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from pyinsmod.cli.recorded import KEPT_PER_KERNEL, RecordedTraces, job_key
from vm.jobs import Job

JOB = Job(("sh", "-c", "insmod mymod.ko"), files={"/root/mymod.ko": b"\x7fELF"}, prepare=(("true",),))


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path))
    return tmp_path / "traces"


def test_what_was_kept_comes_back() -> None:
    RecordedTraces("6.1", "machine").keep(JOB, b"records")
    assert RecordedTraces("6.1", "machine").get(JOB) == b"records"


@pytest.mark.parametrize(
    "other",
    [
        replace(JOB, argv=("sh", "-c", "insmod other.ko")),
        replace(JOB, files={"/root/mymod.ko": b"\x7fELG"}),
        replace(JOB, files={"/root/other.ko": b"\x7fELF"}),
        replace(JOB, prepare=()),
        replace(JOB, environment={"A": "1"}),
    ],
)
def test_another_question_has_no_answer_yet(other: Job) -> None:
    traces = RecordedTraces("6.1", "machine")
    traces.keep(JOB, b"records")
    assert traces.get(other) is None
    assert job_key(other) != job_key(JOB)


def test_another_machine_or_kernel_has_no_answer_yet() -> None:
    RecordedTraces("6.1", "machine").keep(JOB, b"records")
    assert RecordedTraces("6.1", "other").get(JOB) is None
    assert RecordedTraces("6.12", "machine").get(JOB) is None


def test_fresh_reads_nothing_and_replaces() -> None:
    RecordedTraces("6.1", "machine").keep(JOB, b"old")
    fresh = RecordedTraces("6.1", "machine", fresh=True)
    assert fresh.get(JOB) is None
    fresh.keep(JOB, b"new")
    assert RecordedTraces("6.1", "machine").get(JOB) == b"new"


def test_a_damaged_file_is_no_answer(own_cache: Path) -> None:
    RecordedTraces("6.1", "machine").keep(JOB, b"records")
    (file,) = (own_cache / "6.1" / "machine").iterdir()
    file.write_bytes(file.read_bytes()[:-3])
    assert RecordedTraces("6.1", "machine").get(JOB) is None


def test_traces_that_were_used_last_are_kept(own_cache: Path) -> None:
    for age, machine in enumerate(("first", "second")):
        RecordedTraces("6.1", machine).keep(JOB, b"records")
        os.utime(own_cache / "6.1" / machine, (age, age))
    assert RecordedTraces("6.1", "first").get(JOB) == b"records"
    RecordedTraces("6.1", "third").keep(JOB, b"records")
    assert sorted(path.name for path in (own_cache / "6.1").iterdir()) == ["first", "third"]


def test_traces_whose_folder_another_run_dropped_are_kept_all_the_same(own_cache: Path) -> None:
    traces = RecordedTraces("6.1", "machine")
    traces.keep(JOB, b"records")
    shutil.rmtree(own_cache)
    traces.keep(JOB, b"records")
    assert traces.get(JOB) == b"records"


def test_traces_of_machines_long_gone_are_dropped(own_cache: Path) -> None:
    for machine in ("first", "second", "third", "fourth"):
        RecordedTraces("6.1", machine).keep(JOB, b"records")
    assert (own_cache / "6.1" / "fourth").exists()
    assert len(list((own_cache / "6.1").iterdir())) == KEPT_PER_KERNEL
