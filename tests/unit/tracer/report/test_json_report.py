from __future__ import annotations

import json
from dataclasses import replace

from tracer.errno_table import Row
from tracer.report.json_report import as_json
from tracer.report.model import Report


def test_the_object_has_the_documented_keys(report: Report) -> None:
    made = as_json(report)
    assert list(made) == ["schema", "document", "runs", "claims"]
    assert (made["schema"], made["document"]) == (1, "docs/loading.md")
    assert made["runs"][0] == {"kernel": "6.1", "release": "6.1.0-50-amd64", "loader": "kmod", "loader_version": "30"}


def test_claims_keep_the_order_of_the_claims_file(report: Report) -> None:
    assert [claim["id"] for claim in as_json(report)["claims"]] == ["row-1", "exec", "open", "whole"]


def test_a_claim_is_complete(report: Report) -> None:
    claim = as_json(report)["claims"][2]
    assert claim == {
        "id": "open",
        "step": 2,
        "row": None,
        "quote": "O_RDONLY",
        "says": "it is so",
        "verdict": "depends",
        "by_run": {"6.1/kmod": "contradicted", "6.1/busybox": "confirmed"},
        "reality": "kmod: it was so | busybox: it was so",
        "realities": {"6.1/kmod": "it was so", "6.1/busybox": "it was so"},
        "evidence": [],
    }


def test_evidence_is_grouped_by_run_and_source_and_its_records_are_whole(report: Report) -> None:
    evidence = as_json(report)["claims"][1]["evidence"]
    assert [(group["run"], group["source"]) for group in evidence] == [
        ("6.1/kmod", "process"),
        ("6.1/kmod", "kernel log"),
        ("6.1/busybox", "process"),
        ("6.1/busybox", "kernel log"),
    ]
    assert evidence[1]["records"] == [{"type": "log", "t": 1, "sequence": 1, "level": 4, "text": "hello"}]


def test_hostile_text_comes_back_unchanged(hostile_report: Report, hostile: str) -> None:
    read = json.loads(json.dumps(as_json(hostile_report)))
    assert read["claims"][0]["evidence"][0]["records"][0]["text"] == hostile


def test_errors_are_there_where_the_document_lists_any(report: Report) -> None:
    row = Row("init_module", "EPERM", documented=True, occurred=("a",))
    assert as_json(replace(report, errors=[row]))["errors"] == [
        {"call": "init_module", "errno": "EPERM", "documented": True, "experiments": ["a"]}
    ]
