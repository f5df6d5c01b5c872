from __future__ import annotations

import pytest

from tracer.document_parts import failure_rows, failure_table_start, lines_of, step_headings


@pytest.mark.parametrize("text", ["", "a", "a\n", "a\r\nb\x0bc\x85d\u2028e\n\n", "```\nnever closed\n"])
def test_lines_put_together_are_the_document(text: str) -> None:
    assert "".join(line.text for line in lines_of(text)) == text


def test_a_step_inside_a_code_block_is_no_heading() -> None:
    text = "```\n### Step 1: no\n```\n### Step 2: yes\n"
    assert [(heading.step, heading.title) for heading in step_headings(text)] == [(2, "yes")]


def test_something_inside_a_code_block_is_followed_only_after_its_closing_fence() -> None:
    lines = lines_of("````\nx\n```\ny\n````\nz\n")
    assert [line.last_of_block for line in lines] == [4, 4, 4, 4, 4, 5]


def test_a_fence_of_the_other_kind_closes_nothing() -> None:
    assert [line.fenced for line in lines_of("~~~\n```\n~~~\nout\n")] == [True, True, True, False]


def test_a_code_span_of_three_backticks_opens_no_block() -> None:
    assert [line.fenced for line in lines_of("```x``` is code\nout\n")] == [False, False]


def test_a_table_and_an_underlined_heading_stay_whole() -> None:
    assert [line.last_of_block for line in lines_of("| a |\n|---|\n| b |\ntitle\n===\n")] == [2, 2, 2, 4, 4]


def test_failure_rows_are_those_of_the_last_table() -> None:
    first = "| Flag | Meaning |\n|---|---|\n| a | b |\n\ntext\n"
    last = "| Failure | Symptom |\n|---|---|\n| invalid | x |\n| no memory | y |\n"
    assert failure_rows(first + last) == {"F1": "invalid", "F2": "no memory"}
    assert failure_table_start(first + last) == len(first)


def test_a_document_without_a_table_has_no_rows() -> None:
    assert failure_rows("text\n") == {}
    assert failure_table_start("text\n") is None
