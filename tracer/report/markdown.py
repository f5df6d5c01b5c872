"""The report as Markdown for a merge request: short; what is wrong or depends in detail, what holds folded away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyinsmod.text import printable, shortened
from tracer.compare import ClaimVerdict, Verdict
from tracer.describe import sentence
from tracer.errno_table import Row
from tracer.report.differences import Difference, between_kernels, between_loaders
from tracer.report.grouping import Told, listed, name_of, told
from tracer.report.markdown_text import code, inline, row
from tracer.report.model import GLYPHS, VERDICTS, Report, by_source, place, summary

#: Verdicts that somebody has to look at; the others are named only.
DETAILED: tuple[Verdict, ...] = ("contradicted", "depends", "harness-broke")
LONGEST_REALITY = 240


def as_markdown(report: Report) -> str:
    """Return the report: the counts, the claims by verdict, what differs, and evidence for what is not confirmed."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {inline(report.document.name)} against reality"
    yield from ("", f"{summary(report)}.", *_measured(report))
    for verdict in (*DETAILED, *(one for one in VERDICTS if one not in DETAILED)):
        claims = [one for one in report.verdicts if one.verdict == verdict]
        if claims:
            yield from _table(report, verdict, claims) if verdict in DETAILED else _folded(verdict, claims)
    yield from _errors(report.errors)
    yield from _differences("kernels", between_kernels(report))
    yield from _differences("loaders", between_loaders(report))
    detailed = [one for one in report.verdicts if one.verdict in DETAILED]
    if detailed:
        yield from ("", "## Evidence")
        for one in detailed:
            yield from _evidence(report, one)


def _measured(report: Report) -> Iterator[str]:
    kernels = dict.fromkeys((run.kernel, run.release) for run in report.runs)
    loaders = dict.fromkeys((run.loader, run.loader_version) for run in report.runs)
    yield from ("", f"- kernels: {', '.join(f'{inline(name)} ({inline(release)})' for name, release in kernels)}")
    yield f"- loaders: {', '.join(f'{inline(name)} ({inline(version)})' for name, version in loaders)}"
    if report.made:
        yield f"- measured: {inline(report.made)}"


def _table(report: Report, verdict: Verdict, claims: Sequence[ClaimVerdict]) -> Iterator[str]:
    yield from ("", f"## {_named(verdict)}: {len(claims)}", "")
    yield from (row("where", "the document says", "in", "what really happens"), row("---", "---", "---", "---"))
    for claim in claims:
        says: tuple[str, str] = (inline(place(claim)), inline(claim.claim.says))
        for part in told(claim, report.runs):
            yield row(*says, f"{GLYPHS[part.verdict]} {inline(name_of(part, claim))}", _cut(part))
            says = ("", "")


def _folded(verdict: Verdict, claims: Sequence[ClaimVerdict]) -> Iterator[str]:
    yield from ("", f"<details><summary>{_named(verdict)}: {len(claims)}</summary>", "")
    for claim in claims:
        where = place(claim)
        yield f"- {inline(where)}: {inline(claim.claim.says)}" if where else f"- {inline(claim.claim.says)}"
    yield from ("", "</details>")


def _errors(errors: Sequence[Row]) -> Iterator[str]:
    """Yield the errors that are listed or occurred; the document and reality agree on those with both."""
    if not errors:
        return
    yield from ("", "## Errors, documented and occurred", "")
    yield from (row("call", "error", "documented", "occurred"), row("---", "---", "---", "---"))
    for one in errors:
        told = "yes" if one.documented else "**no**"
        yield row(inline(f"{one.call}()"), inline(one.name), told, inline(", ".join(one.occurred)) or "**no**")


def _differences(axis: str, found: Sequence[Difference]) -> Iterator[str]:
    """Yield who is judged otherwise than the others and in what; mere details are counted."""
    if not found:
        return
    yield from ("", f"## Between {axis}", "")
    for one in found:
        judged = [each for each in one.deviations if each.verdict]
        details = len(one.deviations) - len(judged)
        more = f"{details} detail{'s' * (details != 1)}" if details else ""
        head = f"- **{inline(listed(one.names, one.every))}** differs from the others"
        yield f"{head}{', also' if judged and more else ' only'} in {more}" if more else head
        for each in judged:
            verdicts = " ".join(dict.fromkeys(_named(part.verdict) for part in each.here))
            yield f"  - {verdicts}: {inline(each.claim.claim.says)}"


def _evidence(report: Report, verdict: ClaimVerdict) -> Iterator[str]:
    """Yield one run's records for each thing that happened, folded."""
    shown = [part for part in told(verdict, report.runs) if verdict.by_run[part.runs[0]].records]
    if not shown:
        return
    yield from ("", f"<details><summary>{_named(verdict.verdict)} {inline(verdict.claim.id)}</summary>", "")
    yield from (code(verdict.claim.quote), "")
    for part in shown:
        yield f"- {GLYPHS[part.verdict]} {inline(name_of(part, verdict))}, recorded in {inline(part.runs[0])}"
        for source, records in by_source(verdict.by_run[part.runs[0]].records).items():
            yield f"  - {inline(source)}"
            yield from (f"    - {code(printable(sentence(record)))}" for record in records)
    yield from ("", "</details>")


def _cut(part: Told) -> str:
    return inline(shortened(part.reality, LONGEST_REALITY))


def _named(verdict: Verdict) -> str:
    return f"{GLYPHS[verdict]} {verdict}"
