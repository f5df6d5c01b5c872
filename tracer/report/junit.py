"""The report for build servers: a test suite a run, a test case a claim."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from pyinsmod.text import printable
from tracer.compare import ClaimVerdict, Run, RunVerdict, Verdict
from tracer.describe import sentence
from tracer.report.model import Report, place

_OUTCOMES: Mapping[Verdict, str] = {
    "contradicted": "failure",
    "not-observed": "skipped",
    "not-applicable": "skipped",
    "harness-broke": "error",
}
_COUNTERS = {"failure": "failures", "error": "errors", "skipped": "skipped"}


def as_junit(report: Report) -> str:
    """Return the XML document; what XML cannot hold (control characters) is shown as an escape."""
    root = ET.Element("testsuites", name=printable(str(report.document)))
    for run in report.runs:
        root.append(_suite(report, run))
    for counter in ("tests", *_COUNTERS.values()):
        root.set(counter, str(sum(int(suite.get(counter, "0")) for suite in root)))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(report: Report, run: Run) -> ET.Element:
    suite = ET.Element("testsuite", name=printable(run.name))
    properties = ET.SubElement(suite, "properties")
    for name in ("kernel", "release", "loader", "loader_version"):
        ET.SubElement(properties, "property", name=name, value=printable(str(getattr(run, name))))
    judged = [(verdict, verdict.by_run[run.name]) for verdict in report.verdicts if run.name in verdict.by_run]
    outcomes = Counter(_OUTCOMES.get(one.verdict, "passed") for _, one in judged)
    suite.set("tests", str(len(judged)))
    for outcome, counter in _COUNTERS.items():
        suite.set(counter, str(outcomes[outcome]))
    suite.extend(_case(verdict, one, run) for verdict, one in judged)
    return suite


def _case(verdict: ClaimVerdict, one: RunVerdict, run: Run) -> ET.Element:
    where = place(verdict).replace(" ", "-") or "document"
    case = ET.Element("testcase", classname=printable(f"{run.name}.{where}"), name=printable(verdict.claim.id))
    outcome = _OUTCOMES.get(one.verdict)
    if outcome:
        told = ET.SubElement(case, outcome, message=printable(f"{one.verdict}: {one.reality}"))
        if outcome != "skipped":
            told.set("type", one.verdict)
            told.text = f"the document says: {printable(verdict.claim.says)}\nreality: {printable(one.reality)}"
    if one.records:
        lines = [printable(sentence(record)) for record in one.records]
        ET.SubElement(case, "system-out").text = "\n".join(lines)
    return case
