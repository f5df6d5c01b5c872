"""The report as one self-contained HTML file. What is shown is prepared here, the template only draws it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from pyinsmod.text import printable
from tracer.compare import ClaimVerdict, Verdict
from tracer.describe import sentence
from tracer.report.model import GLYPHS, Report, Section, by_source, counts, place, sections
from tracer.report.timeline import timeline
from tracer.selectors import Record

TEMPLATE = "report.html.j2"
_LINE = re.compile(r"[^\n\t]+")


def as_html(report: Report) -> str:
    """Return the page: no scripts, nothing from elsewhere, every foreign text escaped."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tracer.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The last guard before the page: autoescape makes text harmless for HTML, this for a terminal's copy and
    # against signs that turn the direction of reading.
    environment.finalize = _shown
    environment.filters["milliseconds"] = milliseconds
    environment.filters["duration"] = duration
    environment.globals["glyphs"] = dict(GLYPHS)
    return environment.get_template(TEMPLATE).render(_page(report))


def milliseconds(value: float | None) -> str:
    """Return a moment for the narrow column: one decimal, nothing for none."""
    return "" if value is None else f"{value:.1f}".replace("-", "−")


def duration(value: float | None) -> str:
    """Return a duration with its unit, precise enough to tell short ones apart."""
    if value is None:
        return ""
    if value >= 1000:
        return f"{value / 1000:.2f} s"
    return f"{value:.1f} ms" if value >= 1 else f"{value * 1000:.0f} µs"


def _page(report: Report) -> dict[str, Any]:
    groups = sections(report)
    return {
        "document": report.document.name,
        "claims": len(report.verdicts),
        "counts": counts(report.verdicts),
        "runs": report.runs,
        "timelines": [timeline(run) for run in report.runs],
        "sections": [_section(section) for section in groups],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "key": section.key,
        "label": section.label,
        "title": section.title,
        "counts": counts(section.verdicts),
        "claims": [_claim(verdict) for verdict in section.verdicts],
    }


def _claim(verdict: ClaimVerdict) -> dict[str, Any]:
    claim = verdict.claim
    return {
        "id": claim.id,
        "place": place(verdict),
        "quote": claim.quote,
        "says": claim.says,
        "verdict": verdict.verdict,
        "realities": _realities(verdict),
        "by_run": {name: one.verdict for name, one in verdict.by_run.items()},
        "evidence": [
            {"run": name, "source": source, "records": _records(records)}
            for name, one in verdict.by_run.items()
            for source, records in by_source(one.records).items()
        ],
    }


def _realities(verdict: ClaimVerdict) -> list[tuple[list[tuple[str, Verdict]], str]]:
    """Return each sentence of the runs once with the runs it is true of; no runs when it is all of them."""
    runs_of: dict[str, list[tuple[str, Verdict]]] = {}
    for name, one in verdict.by_run.items():
        runs_of.setdefault(one.reality, []).append((name, one.verdict))
    if len(runs_of) <= 1:
        return [([], verdict.reality)]
    return [(names, reality) for reality, names in runs_of.items()]


def _records(records: Sequence[Record]) -> list[tuple[str, str]]:
    return [(sentence(record), json.dumps(dict(record), indent=1, default=str)) for record in records]


def _shown(value: Any) -> Any:  # noqa: ANN401 - whatever an expression of the template gives
    """Escape control characters in text that is about to be put out; line ends and tabs stay, for quotes."""
    if type(value) is not str:  # numbers; and Markup, which the template itself made
        return value
    return _LINE.sub(lambda line: printable(line[0]), value)
