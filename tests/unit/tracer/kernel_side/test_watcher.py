"""The watcher's thread sleeps while a module call is under way; states that last are seen all the same."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from tracer.kernel_side import module_state, uevents
from tracer.kernel_side.watcher import POLL_SECONDS, Watcher


@pytest.fixture
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in the place of /proc/modules: no module is loaded for a test."""
    file = tmp_path / "modules"
    file.write_text("")
    monkeypatch.setattr(module_state, "PROC_MODULES", str(file))
    monkeypatch.setattr(module_state, "SYS_MODULE", str(tmp_path))
    return file


def test_it_ends_whatever_it_is_at(modules: Path) -> None:
    for steps in ((), ("enter",), ("enter", "leave"), ("leave",), ("enter", "enter", "leave", "leave", "enter")):
        before = threading.active_count()
        watcher = Watcher(["m"])
        for step in steps:
            getattr(watcher, step)()
        assert [one for one in watcher.stop() if one["type"] == "state"] == []
        assert threading.active_count() == before
    assert modules.read_text() == ""


def test_a_state_that_lasts_is_seen_during_the_call_and_none_is_after_it(modules: Path) -> None:
    watcher = Watcher(["m"])
    watcher.enter()
    modules.write_text("m 4096 0 - Loading 0x0\n")
    time.sleep(8 * POLL_SECONDS)
    watcher.leave()
    modules.write_text("m 4096 0 - Live 0x0\n")
    time.sleep(4 * POLL_SECONDS)
    states = [one["proc_modules"] for one in watcher.stop() if one["type"] == "state"]
    assert [one and one["state"] for one in states][-1] == "Loading"


def test_more_uevents_than_the_socket_holds_are_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        answers = (OSError(105, "ENOBUFS"), BlockingIOError())

        def __init__(self) -> None:
            self.left = iter(self.answers)

        def recv(self, _size: int) -> bytes:
            raise next(self.left)

    listening = uevents.Uevents()
    real = listening._socket
    monkeypatch.setattr(listening, "_socket", Full())
    listening.collect()
    real.close()
