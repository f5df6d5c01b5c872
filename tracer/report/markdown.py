"""The report as Markdown, for a repository or a merge request."""

from __future__ import annotations

from collections.abc import Iterator

from pyinsmod.text import printable
from tracer.compare import ClaimVerdict, Verdict
from tracer.describe import sentence
from tracer.report.markdown_text import code, inline, row
from tracer.report.model import GLYPHS, Report, Section, by_source, counts, place, sections, summary


def as_markdown(report: Report) -> str:
    """Return the whole report: the counts, a table by step, the runs, then every claim with its evidence."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {inline(report.document.name)} against reality"
    yield ""
    yield f"{summary(report)}."
    yield ""
    yield from _counted(report)
    yield from (
        "",
        "## By step",
        "",
        row("step", "claim", "verdict", "reality"),
        row("--:", "---", "---", "---"),
    )
    for section in sections(report):
        yield from _section_rows(section)
    yield from ("", "## Runs", "", row("run", "kernel", "loader"), row("---", "---", "---"))
    for run in report.runs:
        yield row(inline(run.name), inline(run.release), inline(f"{run.loader} {run.loader_version}"))
    yield from ("", "## Claims")
    for section in sections(report):
        for verdict in section.verdicts:
            yield from _claim(verdict)


def _counted(report: Report) -> Iterator[str]:
    found = counts(report.verdicts)
    if found:
        yield row(*map(_named, found))
        yield row(*["--:"] * len(found))
        yield row(*map(str, found.values()))


def _section_rows(section: Section) -> Iterator[str]:
    if not section.verdicts:
        yield row(inline(section.label), inline(section.title), "no claim", "")
    for verdict in section.verdicts:
        says, reality = inline(verdict.claim.says), inline(verdict.reality)
        yield row(inline(section.label), says, _named(verdict.verdict), reality)


def _claim(verdict: ClaimVerdict) -> Iterator[str]:
    claim = verdict.claim
    where = place(verdict)
    yield from ("", f"### {inline(claim.id)}: {_named(verdict.verdict)}", "")
    yield f"{where[:1].upper()}{inline(where[1:])}, {code(claim.quote)}" if where else code(claim.quote)
    yield from ("", f"Says: {inline(claim.says)}  ", f"Reality: {inline(verdict.reality)}", "")
    yield row("run", "verdict", "what happened")
    yield row("---", "---", "---")
    for name, one in verdict.by_run.items():
        yield row(inline(name), _named(one.verdict), inline(one.reality))
    yield from _evidence(verdict)


def _evidence(verdict: ClaimVerdict) -> Iterator[str]:
    if not any(one.records for one in verdict.by_run.values()):
        return
    yield from ("", "Evidence:", "")
    for name, one in verdict.by_run.items():
        for source, records in by_source(one.records).items():
            yield f"- {inline(name)}, {inline(source)}"
            yield from (f"  - {code(printable(sentence(record)))}" for record in records)


def _named(verdict: Verdict) -> str:
    return f"{GLYPHS[verdict]} {verdict}"
