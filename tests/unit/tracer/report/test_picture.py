from __future__ import annotations

from itertools import pairwise

import pytest

from tracer.report.picture import LABEL_HEIGHT, LEFT_LETTERS, TOP, Picture, picture
from tracer.report.timeline import Kind, Row, Side, Timeline


def row(time: float | None, side: Side = "user", kind: Kind = "file", text: str = "a", **more: float) -> Row:
    return Row(time, side, kind, text, **more)  # type: ignore[arg-type]


def drawn(*rows: Row) -> Picture:
    made = picture(Timeline("6.1/kmod", rows))
    assert made is not None
    return made


def test_lengths_are_in_proportion_to_time() -> None:
    made = drawn(row(0), row(10), row(30), row(40))
    a, b, c, d = (mark.y for mark in made.marks)
    assert made.breaks == ()
    assert (c - b) / (b - a) == pytest.approx(2)
    assert d - a == pytest.approx(4 * (b - a))


def test_a_long_silence_breaks_the_axis_and_is_named() -> None:
    rows = [row(float(time)) for time in (*range(10), *range(5000, 5010))]
    made = drawn(*rows)
    assert [gap.milliseconds for gap in made.breaks] == [4991]
    ys = [mark.y for mark in made.marks]
    assert ys[1] - ys[0] == pytest.approx(ys[-1] - ys[-2])
    assert ys == sorted(ys)


def test_a_bar_is_as_long_as_the_function_ran() -> None:
    made = drawn(row(0), row(10, "kernel", "function", duration=20.0), row(40))
    user, last, bar = made.marks
    assert bar.height == pytest.approx((last.y - user.y) / 2)


@pytest.mark.parametrize("times", [[0, 1, 1, 1, 1, 100], [0, *[50] * 40, 51], [0, *[99.9] * 30, 100], [0, 0, 0, 1]])
def test_labels_never_cover_each_other_and_stay_on_the_paper(times: list[float]) -> None:
    made = drawn(*(row(time) for time in times))
    labels = [mark.label_y for mark in made.marks]
    assert all(b - a >= LABEL_HEIGHT - 1e-6 for a, b in pairwise(labels))
    assert labels[0] >= TOP - LABEL_HEIGHT
    assert labels[-1] <= made.height


def test_in_the_module_call_nothing_runs_in_user_space() -> None:
    made = drawn(row(0, kind="exec"), row(10, kind="enter"), row(30, kind="return"), row(40, kind="exit"))
    first, enter, back, last = (mark.y for mark in made.marks)
    assert made.user == ((first, enter), (back, last))
    assert [(one.y, one.inwards) for one in made.crossings] == [(enter, True), (back, False)]


def test_a_call_that_never_returns_leaves_user_space_empty() -> None:
    made = drawn(row(0, kind="exec"), row(10, kind="enter"), row(20, "kernel", "log"))
    assert made.user == ((made.marks[0].y, made.marks[1].y),)


def test_what_was_before_the_loader_or_after_it_is_not_drawn() -> None:
    made = drawn(row(-500, "kernel", "state"), row(0, kind="exec"), row(5, kind="exit"), row(900, "kernel", "state"))
    assert [mark.kind for mark in made.marks] == ["exec", "exit"]


def test_a_long_text_is_cut_and_kept_for_the_tooltip() -> None:
    made = drawn(row(0, text="x" * 500), row(1))
    assert made.marks[0].text == "x" * (LEFT_LETTERS - 1) + "…"
    assert made.marks[0].whole == "x" * 500


@pytest.mark.parametrize("rows", [[], [row(None)], [row(3)], [row(3), row(3)]])
def test_what_has_no_extent_is_not_drawn(rows: list[Row]) -> None:
    assert picture(Timeline("6.1/kmod", tuple(rows))) is None


def test_round_moments_stand_beside_the_axis_but_not_in_its_breaks() -> None:
    made = drawn(*(row(float(time)) for time in (*range(0, 100, 10), *range(9000, 9100, 10))))
    assert len(made.breaks) == 1
    assert all(tick.milliseconds <= 90 or tick.milliseconds >= 9000 for tick in made.ticks)
    assert len(made.ticks) >= 4
