"""Work spread over processes: everything is answered once, and a process that dies takes one batch with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pyinsmod.tree.workers import Done, Lost, spread


def test_every_batch_is_answered_once() -> None:
    answers = list(spread(50, lambda number: number * number, 3))
    assert sorted(answer.batch for answer in answers) == list(range(50))
    assert all(isinstance(answer, Done) and answer.value == answer.batch**2 for answer in answers)


def test_answers_bigger_than_a_pipe_come_whole() -> None:
    (answer,) = spread(1, lambda _: b"x" * 300_000)
    assert isinstance(answer, Done)
    assert answer.value == b"x" * 300_000


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_dies_loses_one_batch(how: signal.Signals) -> None:
    def work(number: int) -> int:
        if number == 3:
            os.kill(os.getpid(), how)
        return number

    answers = list(spread(20, work, 2))
    lost = [answer for answer in answers if isinstance(answer, Lost)]
    assert [answer.batch for answer in lost] == [3]
    assert how.name in lost[0].why
    assert sorted(answer.batch for answer in answers) == list(range(20))


def test_an_exception_in_a_process_is_a_lost_batch(capfd: pytest.CaptureFixture[str]) -> None:
    (answer,) = spread(1, lambda _: 1 // 0)
    assert isinstance(answer, Lost)
    capfd.readouterr()


def children() -> set[str]:
    """Return the processes this one has to wait for; those of other tests are among them."""
    return {pid for path in Path("/proc/self/task").glob("*/children") for pid in path.read_text().split()}


def test_nothing_is_left_running_when_nobody_wants_the_rest() -> None:
    before = children()
    answers = spread(100, lambda number: number, 2)
    next(answers)
    assert children() > before
    answers.close()  # type: ignore[attr-defined]  # a generator
    assert children() == before
