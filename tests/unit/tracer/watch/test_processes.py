from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tracer.watch import processes
from tracer.watch.process_events import ProcessEvent
from tracer.watch.processes import Processes

NOBODY = 1 << 22  # no pid is as large


def test_nothing_is_known_of_a_process_that_never_was() -> None:
    (process,) = Processes().chain(NOBODY)
    assert (process.parent, process.comm, process.executable, process.arguments) == (None, None, None, ())


def test_a_living_process_and_its_parents() -> None:
    me, parent, *_ = Processes().chain(os.getpid())
    assert (me.pid, me.parent, parent.pid) == (os.getpid(), os.getppid(), os.getppid())
    assert me.executable == str(Path(sys.executable).resolve())
    assert me.comm


def test_a_parent_that_has_ended_is_still_known() -> None:
    known = Processes()
    child = subprocess.Popen(["sleep", "60"])
    try:
        while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\n":
            time.sleep(0.01)
        known.take([ProcessEvent("fork", child.pid, os.getpid()), ProcessEvent("exec", child.pid)])
    finally:
        child.kill()
        child.wait()
    known.take([ProcessEvent("exit", child.pid), ProcessEvent("fork", NOBODY, child.pid)])
    assert [one.arguments for one in known.chain(NOBODY)[:2]] == [("sleep", "60"), ("sleep", "60")]


def test_what_a_process_was_before_it_executed_something_is_forgotten() -> None:
    known = Processes()
    known.process(os.getpid())
    known.take([ProcessEvent("fork", NOBODY, os.getpid())])
    assert known.process(NOBODY).arguments
    known.take([ProcessEvent("exec", NOBODY)])  # and it was gone when we looked
    assert known.process(NOBODY).arguments == ()


def test_ended_processes_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "REMEMBERED", 2)
    known = Processes()
    known.process(os.getpid())
    for number in range(4):
        known.take([ProcessEvent("fork", NOBODY + number, os.getpid()), ProcessEvent("exit", NOBODY + number)])
    assert [known.process(NOBODY + number).parent for number in (2, 3)] == [os.getpid()] * 2
    assert known.process(NOBODY).parent is None


def test_a_circle_of_parents_ends() -> None:
    known = Processes()
    known.take([ProcessEvent("fork", NOBODY, NOBODY + 1), ProcessEvent("fork", NOBODY + 1, NOBODY)])
    assert [one.pid for one in known.chain(NOBODY)] == [NOBODY, NOBODY + 1]
