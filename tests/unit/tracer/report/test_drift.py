from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tracer.compare import ClaimVerdict, Run, RunVerdict, Verdict
from tracer.report.drift import UnfitBaseline, as_lines, drift, read_baseline
from tracer.report.json_report import as_json
from tracer.report.model import Report

Maker = Callable[..., ClaimVerdict]


@pytest.fixture
def baseline(report: Report) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(as_json(report)))
    return made


def changed(report: Report, claim: str, run: str, verdict: Verdict, reality: str = "it was so") -> Report:
    def other(one: ClaimVerdict) -> ClaimVerdict:
        return replace(one, by_run={**one.by_run, run: RunVerdict(verdict, reality)})

    return replace(report, verdicts=[other(one) if one.claim.id == claim else one for one in report.verdicts])


def lines(baseline: Mapping[str, Any], report: Report) -> list[str]:
    return list(as_lines(drift(baseline, report)))


def unfit(path: Path, document: str = "loading.md") -> str:
    with pytest.raises(UnfitBaseline) as caught:
        read_baseline(path, Path(document))
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "not a report of validate --json"),
        (b'{"results": []}', "not a report of validate --json"),
        (b'{"schema": 7}', "schema 7, this program reads 1"),
        (b'{"schema": "\\u001b[31m"}', "schema \\x1b[31m, this program reads 1"),
        (b'{"schema": 1, "kernels": [], "results": []}', "not a whole report of validate --json"),
        (b'{"schema": 1, "document": "loading.md", "runs": [{}], "claims": []}', "not a whole report"),
        (b'{"schema": 1, "document": "loading.md", "runs": [], "claims": [{"id": 3}]}', "not a whole report"),
        (b'{"schema": 1, "document": "loading.md", "runs": [], "claims": [{"id": "a", "by_run": []}]}', "not a whole"),
        (b'{"schema": 1, "document": "other.md", "runs": [], "claims": []}', "a report about other.md, not about load"),
    ],
)
def test_a_file_that_cannot_be_compared_with_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(content)
    assert problem in unfit(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert unfit(tmp_path / "none.json") == "No such file or directory"


def test_a_report_is_read_wherever_its_document_lay(tmp_path: Path, baseline: dict[str, Any]) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(baseline))
    assert read_baseline(path, Path("/elsewhere/loading.md")) == baseline


def test_nothing_changed(baseline: dict[str, Any], report: Report) -> None:
    found = drift(baseline, report)
    assert not found.changed
    assert list(as_lines(found)) == ["since the baseline, in 2 runs: nothing changed"]


def test_a_changed_verdict_is_told_with_its_run(baseline: dict[str, Any], report: Report) -> None:
    now = changed(report, "exec", "6.1/busybox", "contradicted")
    assert drift(baseline, now).changed
    assert lines(baseline, now) == [
        "exec, busybox: ✓ confirmed → ✗ contradicted",
        "since the baseline, in 2 runs: 1 claim judged otherwise",
    ]


def test_runs_that_changed_alike_share_a_line(baseline: dict[str, Any], report: Report) -> None:
    now = changed(changed(report, "exec", "6.1/busybox", "contradicted"), "exec", "6.1/kmod", "contradicted")
    assert lines(baseline, now)[0] == "exec, all: ✓ confirmed → ✗ contradicted"


def test_a_lost_machine_is_no_change_of_a_verdict(baseline: dict[str, Any], report: Report) -> None:
    found = drift(baseline, changed(report, "exec", "6.1/busybox", "harness-broke", "lost"))
    assert (found.changed, len(found.broke)) == (False, 1)
    assert next(iter(as_lines(found))) == "exec, busybox: ✓ confirmed → ! harness-broke"


def test_another_reality_is_told_and_is_no_change_of_a_verdict(baseline: dict[str, Any], report: Report) -> None:
    now = changed(report, "exec", "6.1/busybox", "confirmed", "it was otherwise\x1b[0m")
    assert not drift(baseline, now).changed
    assert lines(baseline, now) == [
        "exec, busybox: as before, but in reality:",
        "  was: it was so",
        "  now: it was otherwise\\x1b[0m",
        "since the baseline, in 2 runs: 1 claim with another reality",
    ]


def test_a_sentence_with_another_release_or_size_tells_the_same(report: Report) -> None:
    before = changed(report, "exec", "6.1/busybox", "confirmed", "'6.1.0-50-amd64 SMP', 7720 bytes")
    old = json.loads(json.dumps(as_json(before)))
    runs = [replace(run, release="6.1.0-56-amd64") for run in report.runs]
    now = changed(report, "exec", "6.1/busybox", "confirmed", "'6.1.0-56-amd64 SMP', 7740 bytes")
    assert lines(old, replace(now, runs=runs)) == [
        "6.1: 6.1.0-50-amd64 → 6.1.0-56-amd64",
        "since the baseline, in 2 runs: other runs or versions",
    ]


def test_runs_and_claims_come_and_go(baseline: dict[str, Any], report: Report, run: Callable[..., Run]) -> None:
    now = replace(report, runs=[report.runs[0], run("toybox")], verdicts=report.verdicts[1:])
    baseline["claims"] = baseline["claims"][:-1]
    assert lines(baseline, now) == [
        "row-1: no longer claimed",
        "whole: newly claimed",
        "no longer run: busybox",
        "newly run: toybox",
        "since the baseline, in 1 run: 2 claims more or less, other runs or versions",
    ]


def test_a_report_from_before_realities_were_kept_is_compared_by_verdicts(
    baseline: dict[str, Any], report: Report
) -> None:
    for claim in baseline["claims"]:
        del claim["realities"]
    assert lines(baseline, changed(report, "exec", "6.1/kmod", "confirmed", "otherwise")) == [
        "since the baseline, in 2 runs: nothing changed"
    ]


def test_hostile_texts_are_escaped(hostile_report: Report) -> None:
    old = json.loads(json.dumps(as_json(hostile_report)))
    claim = hostile_report.verdicts[0].claim.id
    now = changed(hostile_report, claim, hostile_report.runs[0].name, "not-observed")
    for line in lines(old, replace(now, verdicts=now.verdicts[:-1])):
        assert all(char.isprintable() for char in line)
