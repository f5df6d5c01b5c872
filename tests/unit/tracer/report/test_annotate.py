from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies

from tracer.compare import ClaimVerdict
from tracer.report.annotate import annotated_document, without_annotations
from tracer.report.model import Report

Maker = Callable[..., ClaimVerdict]


def annotated(text: str, *verdicts: ClaimVerdict) -> str:
    made = annotated_document(Report(Path("d.md"), text, [], verdicts))
    assert without_annotations(made) == text
    return made


def test_the_verdict_stands_under_the_quoted_line(verdict: Maker) -> None:
    assert annotated("one\ntwo\nthree\n", verdict("a", {"r": "confirmed"}, quote="two")) == (
        "one\ntwo\n> - ✓ **confirmed** it is so — in reality: it was so\n>\nthree\n"
    )


def test_a_quote_in_a_code_block_is_annotated_after_the_closing_fence(report: Report) -> None:
    text = annotated_document(report)
    assert 'execve("insmod")\n```\n> - ✓ **confirmed** it is so' in text
    assert without_annotations(text) == report.text


def test_a_row_of_the_failure_table_is_annotated_after_the_table(report: Report) -> None:
    assert annotated_document(report).endswith(
        "| no memory | it fails |\n> - ○ **not-observed** it is so — in reality: it was so\n>\n"
    )


def test_the_quote_is_looked_for_from_the_steps_heading_on(verdict: Maker) -> None:
    text = "read\n### Step 1: a\nread\n### Step 2: b\nread\n"
    made = annotated(text, verdict("a", {"r": "contradicted"}, quote="read", step=2))
    assert made.index("contradicted") > made.index("Step 2")


def test_a_quote_that_stands_only_before_its_step_is_annotated_there(verdict: Maker) -> None:
    made = annotated("early\n### Step 1: a\n", verdict("a", {"r": "confirmed"}, quote="early", step=1))
    assert made.startswith("early\n> - ✓")


def test_a_quote_over_several_lines_is_annotated_after_its_last(verdict: Maker) -> None:
    made = annotated("one\ntwo\nthree\n", verdict("a", {"r": "confirmed"}, quote="one\ntwo"))
    assert made.startswith("one\ntwo\n> - ✓")


def test_several_claims_about_one_line_stand_together(verdict: Maker) -> None:
    made = annotated(
        "one\n", verdict("a", {"r": "confirmed"}, quote="one"), verdict("b", {"r": "not-observed"}, quote="o")
    )
    assert [line[:5] for line in made.splitlines()] == ["one", "> - ✓", "> - ○", ">"]


def test_hostile_reality_stays_on_its_line(verdict: Maker, hostile: str) -> None:
    made = annotated("one\n", verdict("a", {"r": "confirmed"}, quote="one", reality=hostile, says=hostile))
    assert len(made.splitlines()) == 3
    assert "<script" not in made


@pytest.mark.parametrize(
    "text",
    ["", "x", "x\n", "x\n\n", "> x\n>\n", "a\r\nx\r\n", "```\nx", "a\x0bx\x85b\n", "x\u2028y\n>\nz", "| x |\n>\n"],
)
def test_the_document_comes_back_byte_for_byte(verdict: Maker, text: str) -> None:
    annotated(text, verdict("a", {"r": "confirmed"}, quote="x"), verdict("b", {"r": "contradicted"}, quote=text))


def test_the_projects_own_document_comes_back_with_every_line_annotated(verdict: Maker) -> None:
    text = (Path(__file__).parents[4] / "docs" / "loading-a-module.md").read_text()
    lines = [line for line in text.splitlines() if line.strip()]
    annotated(text, *(verdict(str(number), {"r": "confirmed"}, quote=line) for number, line in enumerate(lines)))


@given(
    text=strategies.text("x>`~|-= \t#\r\n\x85", max_size=40),
    start=strategies.integers(0, 39),
    size=strategies.integers(1, 9),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_document_comes_back(verdict: Maker, text: str, start: int, size: int) -> None:
    quote = text[start : start + size]
    annotated(text, *([verdict("a", {"r": "confirmed"}, quote=quote)] if quote else []))
