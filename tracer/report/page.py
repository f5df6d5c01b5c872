"""What the page shows, prepared: the template only draws it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from tracer.compare import ClaimVerdict, Run, Verdict
from tracer.describe import sentence
from tracer.report.differences import Deviation, Difference, between_kernels, between_loaders
from tracer.report.document_view import ShownLine, shown_lines, unplaced
from tracer.report.grouping import (
    Told,
    answering,
    applicable,
    in_short,
    kernel_of,
    listed,
    loader_of,
    name_of,
    told,
)
from tracer.report.load_story import story_of
from tracer.report.model import VERDICTS, Report, by_source, counts, place, sections
from tracer.report.picture import WIDTH, picture
from tracer.report.timeline import EXPERIMENT, timeline
from tracer.selectors import Record


def page(report: Report) -> dict[str, Any]:
    """Return everything the template asks for."""
    names = _slugs([one.claim.id for one in report.verdicts], "claim")
    runs = _slugs([run.name for run in report.runs], "run")
    claims = {one.claim.id: _claim(report, one, names[one.claim.id]) for one in report.verdicts}
    blocks, shown = list(_blocks(report, claims)), _shown_experiment(report)
    headed = {line["step"] for block in blocks for line in block["lines"] if line["anchor"]}
    return {
        "document": report.document.name,
        "made": report.made,
        "counts": counts(report.verdicts),
        "verdicts": VERDICTS,
        "total": len(report.verdicts),
        "runs": [_run(run, runs[run.name], shown) for run in report.runs],
        "shown": shown,
        "kernels": list(dict.fromkeys((run.kernel, run.release) for run in report.runs)),
        "loaders": list(dict.fromkeys((run.loader, run.loader_version) for run in report.runs)),
        "command": _whole_command(report),
        "sections": list(_sections(report, headed, claims)),
        "headed": headed,
        "blocks": blocks,
        "unplaced": [claims[one.claim.id] for one in unplaced(report)],
        "matrix": list(_matrix(report, claims)),
        "columns": _columns(report),
        "errors": _errors(report),
        "differences": [
            ("kernels", [_difference(one, claims) for one in between_kernels(report)]),
            ("loaders", [_difference(one, claims) for one in between_loaders(report)]),
        ],
        "picture_width": WIDTH,
    }


def _sections(
    report: Report, headed: Collection[int], claims: Mapping[str, Mapping[str, Any]]
) -> Iterator[tuple[str, str, str, dict[Verdict, int]]]:
    """Yield where each section begins (its heading, or its first claim), its label, its title and its counts."""
    for section in sections(report):
        has_heading = section.key in {f"step-{step}" for step in headed}
        anchor = section.key if has_heading else claims[section.verdicts[0].claim.id]["anchor"]
        yield anchor, section.label, section.title or section.key, counts(section.verdicts)


def _slugs(names: Sequence[str], prefix: str) -> dict[str, str]:
    """Return anchors that are fit for a link, whatever the names have in them, each once."""
    slugs: dict[str, str] = {}
    for number, name in enumerate(names):
        slug = f"{prefix}-{re.sub(r'[^a-zA-Z0-9.]+', '-', name).strip('-')}"
        slugs.setdefault(name, f"{slug}-{number}" if slug in slugs.values() else slug)
    return slugs


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _claim(report: Report, verdict: ClaimVerdict, anchor: str) -> dict[str, Any]:
    claim, parts = verdict.claim, told(verdict, report.runs)
    groups = [_group(report, verdict, part, f"{anchor}.{number}") for number, part in enumerate(parts, 1)]
    return {
        "anchor": anchor,
        "id": claim.id,
        "place": place(verdict),
        "quote": claim.quote,
        "says": claim.says,
        "verdict": verdict.verdict,
        "groups": groups,
        "group_of": {run: group["anchor"] for group, part in zip(groups, parts, strict=True) for run in part.runs},
        "by_run": {name: one.verdict for name, one in verdict.by_run.items()},
        "grid": _grid(report, verdict),
        "experiments": _experiments(report, verdict),
        "untested": _untested(verdict),
    }


def _group(report: Report, verdict: ClaimVerdict, part: Told, anchor: str) -> dict[str, Any]:
    first = part.runs[0]
    records = verdict.by_run[first].records
    return {
        "anchor": anchor,
        "name": name_of(part, verdict) if len(applicable(verdict)) > 1 else first,
        "verdict": part.verdict,
        "reality": part.reality,
        "run": first,
        "evidence": [(source, _records(found)) for source, found in by_source(records).items()],
        "others": [
            (name, [sentence(record) for record in verdict.by_run[name].records])
            for name in part.runs[1:]
            if verdict.by_run[name].records
        ],
        "command": _command(report, [run for run in report.runs if run.name == first], verdict.claim.id),
    }


def _records(records: Sequence[Record]) -> list[tuple[str, str]]:
    return [(sentence(record), json.dumps(dict(record), default=str, ensure_ascii=True)) for record in records]


def _grid(report: Report, verdict: ClaimVerdict) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return for each kernel the loaders and their verdicts; the ones without are left empty."""
    by_kernel: dict[str, list[tuple[str, str]]] = {}
    for run in report.runs:
        one = verdict.by_run.get(run.name)
        by_kernel.setdefault(run.kernel, []).append((run.loader, one.verdict if one else "not-applicable"))
    return list(by_kernel.items())


def _experiments(report: Report, verdict: ClaimVerdict) -> list[tuple[str, str]]:
    names = dict.fromkeys(test.experiment for test in verdict.claim.tests if test.experiment)
    return [(name, _about(report, name)) for name in names]


def _about(report: Report, experiment: str) -> str:
    return report.experiments[experiment].about if experiment in report.experiments else ""


def _untested(verdict: ClaimVerdict) -> list[tuple[str, str]]:
    """Return why some runs could not do the experiment: each reason once, with its runs.

    A reason may name the run of the same kernel that settled the matter: its loader says enough.
    """
    able = set(applicable(verdict))
    reasons: dict[str, list[str]] = {}
    for name, one in verdict.by_run.items():
        if name not in able:
            reasons.setdefault(one.reality.replace(f"{kernel_of(name)}/", ""), []).append(name)
    every = list(verdict.by_run)
    return [(in_short(names, every), reason) for reason, names in reasons.items()]


def _whole_command(report: Report) -> str:
    """Return the command that makes this report again, as it was given where that is known."""
    if report.chosen:
        return shlex.join(["pyinsmod", "validate", *report.subject, *report.chosen])
    return _command(report, report.runs)


def _command(report: Report, runs: Sequence[Run], claim: str | None = None) -> str:
    """Return the command that measures these runs again."""
    words = ["pyinsmod", "validate", *report.subject]
    words += [word for kernel in dict.fromkeys(run.kernel for run in runs) for word in ("--kernel", kernel)]
    words += [word for loader in dict.fromkeys(run.loader for run in runs) for word in ("--loader", loader)]
    return shlex.join([*words, *(["--claim", claim] if claim is not None else [])])


# ── The document ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _blocks(report: Report, claims: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield runs of lines of one kind: a block of code, a table, a list, or lines by themselves."""
    anchors = {section.key for section in sections(report)}
    seen: set[str] = set()
    for kind, lines in groupby(shown_lines(report), key=lambda line: "table" if line.kind == "head" else line.kind):
        shown = [_line(line, claims) for line in lines]
        for line in shown:
            key = f"step-{line['step']}"
            line["anchor"] = key if key in anchors and key not in seen else None
            seen.add(key)
        if kind != "blank":
            yield {"kind": kind, "lines": shown}


def _line(line: ShownLine, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    cells = [
        [(piece.text, piece.code, piece.claims[0].verdict if piece.claims else None) for piece in cell]
        for cell in line.cells
    ]
    return {
        "kind": line.kind,
        "level": line.level,
        "cells": cells,
        "claims": [claims[one.claim.id] for one in line.claims],
        "step": line.step,
    }


# ── The matrix, and what differs in it ───────────────────────────────────────────────────────────────────────────────


def _columns(report: Report) -> list[tuple[str, str, list[str]]]:
    """Return kernels with their releases and loaders, in the order of the runs."""
    return [
        (kernel, release, [run.loader for run in runs])
        for (kernel, release), runs in groupby(report.runs, key=lambda run: (run.kernel, run.release))
    ]


def _matrix(report: Report, claims: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, list[Any]]]:
    """Yield sections with their claims; each with its cells: run, verdict, where its evidence is, first of a kernel."""
    for section in sections(report):
        rows = []
        for verdict in section.verdicts:
            claim, last = claims[verdict.claim.id], None
            cells = []
            for run in report.runs:
                one = verdict.by_run.get(run.name)
                cells.append(
                    (run.name, one.verdict if one else "", claim["group_of"].get(run.name), run.kernel != last)
                )
                last = run.kernel
            rows.append((claim, cells))
        if rows:
            yield section.label, section.title, rows


def _errors(report: Report) -> list[tuple[str, list[dict[str, Any]]]]:
    """Return for each call its errors, with the experiments in which they occurred and what these are about."""
    return [
        (call, [{**row._asdict(), "occurred": [(one, _about(report, one)) for one in row.occurred]} for row in rows])
        for call, rows in groupby(report.errors, key=lambda row: row.call)
    ]


def _difference(one: Difference, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    others = [name for name in one.every if name not in one.names]
    return {
        "names": listed(one.names, one.every),
        "others": others[0] if len(others) == 1 else "the others",
        "judged": [_deviation(found, claims) for found in one.deviations if found.verdict],
        "told": [_deviation(found, claims) for found in one.deviations if not found.verdict],
    }


def _deviation(one: Deviation, claims: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    every = answering(one.claim)

    def shown(parts: Sequence[Told]) -> list[tuple[str, str, str]]:
        return [(in_short(part.runs, every), part.verdict, part.reality) for part in parts]

    return {"claim": claims[one.claim.claim.id], "here": shown(one.here), "elsewhere": shown(one.elsewhere)}


# ── What really happened ─────────────────────────────────────────────────────────────────────────────────────────────


def _shown_experiment(report: Report) -> str:
    """Return the experiment that is drawn: the plain load, or the first that gave records in a document without one."""
    names = [name for run in report.runs for name, seen in run.observations.items() if story_of(seen.records)]
    return EXPERIMENT if EXPERIMENT in names or not names else names[0]


def _run(run: Run, anchor: str, experiment: str) -> dict[str, Any]:
    line = timeline(run, experiment)
    return {
        "anchor": anchor,
        "name": run.name,
        "kernel": kernel_of(run.name),
        "loader": loader_of(run.name),
        "release": run.release,
        "version": run.loader_version,
        "problem": line.problem,
        "rows": line.rows,
        "picture": picture(line),
    }
