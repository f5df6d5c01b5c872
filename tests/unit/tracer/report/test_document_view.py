from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.compare import ClaimVerdict
from tracer.report.document_view import ShownLine, shown_lines, unplaced
from tracer.report.model import Report

Maker = Callable[..., ClaimVerdict]


def shown(text: str, *verdicts: ClaimVerdict) -> list[ShownLine]:
    return shown_lines(Report(Path("d.md"), text, [], verdicts))


def texts(line: ShownLine) -> list[str]:
    return ["".join(piece.text for piece in cell) for cell in line.cells]


@pytest.mark.parametrize(
    ("text", "kind", "level", "words"),
    [
        ("## A title ##\n", "heading", 2, "A title"),
        ("- item\n", "item", 0, "item"),
        ("    * deeper\n", "item", 2, "deeper"),
        ("plain - text\n", "text", 0, "plain - text"),
        ("---\n", "rule", 0, ""),
        ("├── .text\n", "tree", 0, "├── .text"),
        ("\n", "blank", 0, ""),
        ("-19 is an errno\n", "text", 0, "-19 is an errno"),
        ("no newline", "text", 0, "no newline"),
    ],
)
def test_lines_are_of_kinds(text: str, kind: str, level: int, words: str) -> None:
    (line,) = shown(text)
    assert (line.kind, line.level, texts(line)) == (kind, level, [words])


def test_fences_show_in_the_kind_alone() -> None:
    lines = shown("```text\n# no heading `x`\n```\n```\nb\n```\n")
    assert [(line.kind, texts(line)) for line in lines] == [("code", ["# no heading `x`"]), ("code", ["b"])]


def test_a_row_of_a_table_has_cells() -> None:
    lines = shown("| a \t| b |\n|---|:--|\n| c `|` | d\\| |\n| e | f\n")
    assert [line.kind for line in lines] == ["head", "table", "table"]
    assert texts(lines[0]) == ["a", "b"]
    assert texts(lines[2]) == ["e", "f"]


def test_words_of_code_lose_their_backticks() -> None:
    (line,) = shown("see `a` and ``b`c``, ` alone\n")
    assert [(piece.text, piece.code) for piece in line.cells[0]] == [
        ("see ", False), ("a", True), (" and ", False), ("b`c", True), (", ` alone", False),
    ]  # fmt: skip


def test_quoted_words_know_their_claims_the_most_particular_first(verdict: Maker) -> None:
    whole = verdict("whole", {"r": "confirmed"}, quote='open("m", O_RDONLY)')
    part = verdict("part", {"r": "contradicted"}, quote="O_RDONLY")
    (line,) = shown('open("m", O_RDONLY) = 3\n', whole, part)
    assert [(piece.text, [one.claim.id for one in piece.claims]) for piece in line.cells[0]] == [
        ('open("m", ', ["whole"]), ("O_RDONLY", ["part", "whole"]), (")", ["whole"]), (" = 3", []),
    ]  # fmt: skip
    assert [one.claim.id for one in line.claims] == ["whole", "part"]


def test_a_quote_over_lines_is_marked_in_all_and_judged_at_its_last(verdict: Maker) -> None:
    lines = shown("one\ntwo\nthree\n", verdict("a", {"r": "confirmed"}, quote="one\ntwo\n"))
    assert [bool(line.cells[0][0].claims) for line in lines] == [True, True, False]
    assert [len(line.claims) for line in lines] == [0, 1, 0]


def test_a_quote_that_has_the_backticks_marks_the_code(verdict: Maker) -> None:
    (line,) = shown("- `.text`\n", verdict("a", {"r": "confirmed"}, quote="- `.text`\n"))
    assert [(piece.text, len(piece.claims)) for piece in line.cells[0]] == [(".text", 1)]


@pytest.mark.parametrize("quote", ["```text\n", "|---|---|\n"])
def test_a_claim_about_a_line_that_is_not_shown_is_not_lost(verdict: Maker, quote: str) -> None:
    one = verdict("a", {"r": "confirmed"}, quote=quote)
    assert [line.claims for line in shown("| a | b |\n|---|---|\n```text\nx\n```\n", one) if line.claims] == [(one,)]


def test_every_claim_is_in_one_line_or_unplaced(report: Report) -> None:
    found = [one.claim.id for line in shown_lines(report) for one in line.claims]
    missing = [one.claim.id for one in unplaced(report)]
    assert sorted(found + missing) == sorted(one.claim.id for one in report.verdicts)


def test_headings_of_steps_are_known() -> None:
    assert [line.step for line in shown("# D\n### Step 3: x\ntext\n")] == [None, 3, None]
