from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from tracer.compare import ClaimVerdict, RunVerdict
from tracer.errno_table import Row
from tracer.report.markdown import as_markdown
from tracer.report.model import Report


def test_it_begins_with_the_counts_and_what_was_measured(report: Report) -> None:
    assert as_markdown(replace(report, made="today")).startswith(
        "# loading.md against reality\n\n"
        "4 claims in 2 runs: 1 confirmed, 1 depends, 1 not-observed, 1 harness-broke.\n\n"
        "- kernels: 6.1 (6.1.0-50-amd64)\n- loaders: kmod (30), busybox (30)\n- measured: today\n"
    )


def test_what_depends_is_told_for_each_group_of_runs(report: Report, verdict: Callable[..., ClaimVerdict]) -> None:
    one = verdict("a", {"6.1/kmod": "confirmed", "6.1/busybox": "contradicted"}, step=2)
    seen = {"6.1/kmod": RunVerdict("confirmed", "it mapped"), "6.1/busybox": RunVerdict("contradicted", "it | read")}
    text = as_markdown(replace(report, verdicts=[replace(one, by_run=seen)]))
    assert "| step 2 | it is so | ✓ kmod | it mapped |\n|  |  | ✗ busybox | it \\| read |\n" in text
    assert "## Between loaders\n\n- **busybox** differs from the others\n  - ✗ contradicted: it is so\n" in text


def test_what_holds_is_folded_away_without_its_evidence(report: Report) -> None:
    text = as_markdown(report)
    assert "<details><summary>✓ confirmed: 1</summary>\n\n- step 1: it is so\n\n</details>" in text
    assert "hello" not in text


def test_evidence_of_what_is_wrong_is_there_once_for_each_group(
    report: Report, verdict: Callable[..., ClaimVerdict]
) -> None:
    record = {"type": "log", "t": 1, "text": "hello"}
    both = {"6.1/kmod": "contradicted", "6.1/busybox": "contradicted"}
    text = as_markdown(replace(report, verdicts=[verdict("a", both, quote="x`y", records=[record])]))
    assert "✗ all, recorded in 6.1/kmod\n  - kernel log\n    - `the kernel logged “hello”`\n" in text
    assert text.count("hello") == 1
    assert "``x`y``" in text


def test_hostile_text_stays_in_its_place(hostile_report: Report) -> None:
    text = as_markdown(hostile_report)
    assert all(char.isprintable() or char == "\n" for char in text)
    assert "<script" not in re.sub(r"``.*?``", "", text)
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in rows)


def test_errors_are_in_a_table_where_the_document_lists_any(report: Report) -> None:
    errors = [
        Row("init_module", "EPERM", documented=True, occurred=("a", "b")),
        Row("init_module", "EBUSY", documented=True, occurred=()),
        Row("init_module", "EBADF", documented=False, occurred=("c",)),
    ]
    lines = as_markdown(replace(report, errors=errors)).splitlines()
    assert [line for line in lines if "init" in line and "()" in line] == [
        "| init_module() | EPERM | yes | a, b |",
        "| init_module() | EBUSY | yes | **no** |",
        "| init_module() | EBADF | **no** | c |",
    ]
    assert not [line for line in as_markdown(report).splitlines() if "documented" in line]
