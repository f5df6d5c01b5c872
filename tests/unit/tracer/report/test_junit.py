from __future__ import annotations

from xml.etree import ElementTree as ET

from tracer.report.junit import as_junit
from tracer.report.model import Report


def test_there_is_a_suite_a_run_and_a_case_a_claim(report: Report) -> None:
    root = ET.fromstring(as_junit(report))  # noqa: S314  (our own output)
    assert [suite.get("name") for suite in root] == ["6.1/kmod", "6.1/busybox"]
    assert [case.get("name") for case in root[0].iter("testcase")] == ["row-1", "exec", "open", "whole"]
    assert [case.get("classname") for case in root[0].iter("testcase")] == [
        "6.1/kmod.row-F1",
        "6.1/kmod.step-1",
        "6.1/kmod.step-2",
        "6.1/kmod.document",
    ]


def test_verdicts_become_outcomes(report: Report) -> None:
    root = ET.fromstring(as_junit(report))  # noqa: S314
    outcomes = [
        next((child.tag for child in case if child.tag != "system-out"), "passed") for case in root[0].iter("testcase")
    ]
    assert outcomes == ["skipped", "passed", "failure", "error"]
    assert [root[0].get(key) for key in ("tests", "failures", "errors", "skipped")] == ["4", "1", "1", "1"]
    assert [root.get(key) for key in ("tests", "failures", "errors", "skipped")] == ["8", "1", "1", "3"]


def test_hostile_text_leaves_the_xml_valid_and_readable(hostile_report: Report) -> None:
    root = ET.fromstring(as_junit(hostile_report).encode())  # noqa: S314
    failure = root.find(".//failure")
    assert failure is not None
    assert (failure.get("message") or "").startswith(r"contradicted: <script>alert(1)</script> \x1b[31mred\x07 |")
