from __future__ import annotations

from tracer.report.model import VERDICTS, Report, by_source, counts, sections, summary


def test_sections_are_steps_by_number_then_rows_then_the_rest(report: Report) -> None:
    assert [section.key for section in sections(report)] == ["step-1", "step-2", "F1", "other"]


def test_a_section_has_the_title_the_document_gives_it(report: Report) -> None:
    assert [section.title for section in sections(report)][:3] == [
        "The shell starts it",
        "The file is opened",
        "invalid",
    ]


def test_a_step_of_the_document_that_no_claim_is_about_is_a_section_too(report: Report) -> None:
    empty = Report(report.document, report.text, report.runs, [])
    assert [(section.key, section.verdicts) for section in sections(empty)] == [("step-1", ()), ("step-2", ())]


def test_counts_follow_the_order_of_verdicts_and_leave_out_what_does_not_occur(report: Report) -> None:
    found = counts(report.verdicts)
    assert found == {"confirmed": 1, "depends": 1, "not-observed": 1, "harness-broke": 1}
    assert list(found) == [verdict for verdict in VERDICTS if verdict in found]


def test_the_summary_is_one_line(report: Report) -> None:
    assert summary(report) == "4 claims in 2 runs: 1 confirmed, 1 depends, 1 not-observed, 1 harness-broke"
    assert summary(Report(report.document, "", [], [])) == "0 claims in 0 runs"


def test_records_are_grouped_by_who_saw_them_in_their_order() -> None:
    kinds = ["syscall", "kernel_call", "kernel_event", "log", "uevent", "state", "exec", "exit", "end", "survey", "new"]
    grouped = by_source([{"type": kind} for kind in kinds])
    assert {source: [record["type"] for record in records] for source, records in grouped.items()} == {
        "syscalls": ["syscall"],
        "kernel functions": ["kernel_call"],
        "tracepoints": ["kernel_event"],
        "kernel log": ["log"],
        "uevents": ["uevent"],
        "state": ["state"],
        "process": ["exec", "exit", "end"],
        "survey": ["survey"],
        "new": ["new"],
    }
