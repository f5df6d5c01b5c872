from __future__ import annotations

import re

from tracer.report.markdown import as_markdown
from tracer.report.model import Report


def test_the_report_has_counts_steps_runs_and_claims(report: Report) -> None:
    text = as_markdown(report)
    assert text.startswith("# loading.md against reality\n\n4 claims in 2 runs: 1 confirmed,")
    assert "| 2 | it is so | ◐ depends | it was so |" in text
    assert "| 6.1/kmod | 6.1.0-50-amd64 | kmod 30 |" in text
    assert "### open: ◐ depends\n\nStep 2, `O_RDONLY`\n" in text
    assert "| 6.1/kmod | ✗ contradicted | it was so |" in text
    assert "- 6.1/kmod, kernel log\n  - `the kernel logged “hello”`\n" in text


def test_every_table_row_has_as_many_cells_as_its_heading(hostile_report: Report) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", as_markdown(hostile_report), re.MULTILINE)
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_hostile_text_is_no_html_and_has_no_control_characters(hostile_report: Report) -> None:
    text = as_markdown(hostile_report)
    assert all(char.isprintable() or char == "\n" for char in text)
    outside_code = re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text.replace("\\`", ""))
    assert "<script" not in outside_code


def test_without_claims_it_is_still_a_report(report: Report) -> None:
    text = as_markdown(Report(report.document, report.text, [], []))
    assert "0 claims in 0 runs." in text
    assert "| 1 | The shell starts it | no claim |  |" in text
