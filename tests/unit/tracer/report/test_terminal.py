from __future__ import annotations

import pytest

from tracer.report.model import Report
from tracer.report.terminal import render_table


@pytest.mark.parametrize("width", [20, 40, 87, 88, 120, 200])
def test_no_line_is_wider_than_the_terminal(report: Report, width: int) -> None:
    assert max(len(line) for line in render_table(report, width, colour=False).splitlines()) <= width


@pytest.mark.parametrize("width", [60, 120])
def test_every_claim_is_shown_with_sign_and_word(report: Report, width: int) -> None:
    text = render_table(report, width, colour=False)
    for shown in ("✓ confirmed", "◐ depends", "○ not-observed", "! harness-broke", "F1"):
        assert shown in text


@pytest.mark.parametrize("width", [60, 120])
def test_without_colour_there_is_no_escape_sequence(report: Report, width: int) -> None:
    assert "\x1b" not in render_table(report, width, colour=False)
    assert "\x1b[32m" in render_table(report, width, colour=True)


@pytest.mark.parametrize("width", [60, 120])
def test_the_last_line_counts(report: Report, width: int) -> None:
    text = " ".join(render_table(report, width, colour=False).split())
    assert text.endswith("4 claims in 2 runs: ✓ 1 confirmed, ◐ 1 depends, ○ 1 not-observed, ! 1 harness-broke")


@pytest.mark.parametrize("width", [60, 120])
def test_hostile_text_cannot_steer_the_terminal(hostile_report: Report, width: int) -> None:
    text = render_table(hostile_report, width, colour=False)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "[31mred" in "".join(text.split())  # neither ANSI nor the markup of the table's maker: shown as it is
