"""The report for programs: the one JSON object of `validate --json`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tracer.compare import ClaimVerdict, Run
from tracer.errno_table import Row
from tracer.report.grouping import reality
from tracer.report.model import Report, by_source

SCHEMA = 1


def as_json(report: Report) -> dict[str, Any]:
    """Return the object; its records are the trace's own, whole and as they were recorded."""
    return {
        "schema": SCHEMA,
        "document": str(report.document),
        "runs": [_run(run) for run in report.runs],
        "claims": [_claim(verdict, report.runs) for verdict in report.verdicts],
        **({"errors": [_error(row) for row in report.errors]} if report.errors else {}),
    }


def _run(run: Run) -> dict[str, Any]:
    return {
        "kernel": run.kernel,
        "release": run.release,
        "loader": run.loader,
        "loader_version": run.loader_version,
    }


def _error(row: Row) -> dict[str, Any]:
    return {"call": row.call, "errno": row.name, "documented": row.documented, "experiments": list(row.occurred)}


def _claim(verdict: ClaimVerdict, runs: Sequence[Run]) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "id": claim.id,
        "step": claim.step,
        "row": claim.row,
        "quote": claim.quote,
        "says": claim.says,
        "verdict": verdict.verdict,
        "by_run": {name: one.verdict for name, one in verdict.by_run.items()},
        "reality": reality(verdict, runs),
        "realities": {name: one.reality for name, one in verdict.by_run.items()},
        "evidence": [
            {"run": name, "source": source, "records": [dict(record) for record in records]}
            for name, one in verdict.by_run.items()
            for source, records in by_source(one.records).items()
        ],
    }
