"""The document's list of steps, written anew from the evidence.

What stands in it is made of records: the sentences of what was seen, or which record was not there. Of the
document there are only the headings, so that a step can be found again, and the words that turned out to be wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tracer.compare import ClaimVerdict, Verdict
from tracer.report.document_view import shown_lines
from tracer.report.grouping import Told, answering, in_short, kernel_of, loader_of, told
from tracer.report.markdown_text import code, inline
from tracer.report.model import Report, Section, sections
from tracer.report.step_order import order_claims, ordered_steps

_SAYS_SOMETHING: tuple[Verdict, ...] = ("confirmed", "contradicted")


def rewritten(report: Report) -> str:
    """Return the corrected step list as Markdown."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    yield f"# {inline(report.document.name)}: what really happens"
    yield ""
    yield f"Made from the records of {len(report.runs)} run{'s' * (len(report.runs) != 1)}; nothing else is in it."
    yield from ("", *(f"- {line}" for line in _measured(report)))
    by_key = {section.key: section for section in sections(report)}
    steps = [int(key.removeprefix("step-")) for key in by_key if key.startswith("step-")]
    for number, step in zip(steps, ordered_steps(report, steps), strict=True):
        yield from _step(report, by_key[f"step-{step}"], number, step)
    yield from _order(report) if steps else _by_heading(report)
    rows = [section for section in by_key.values() if section.verdicts and section.verdicts[0].claim.row]
    if rows:
        yield from ("", "## Failures")
    for section in rows:
        yield from ("", f"### {inline(section.title or section.label)}", "", *_sentences(report, section.verdicts))


def _measured(report: Report) -> Iterator[str]:
    kernels = dict.fromkeys((run.kernel, run.release) for run in report.runs)
    loaders = dict.fromkeys((run.loader, run.loader_version) for run in report.runs)
    yield "kernels: " + ", ".join(f"{inline(name)} ({inline(release)})" for name, release in kernels)
    yield "loaders: " + ", ".join(f"{inline(name)} ({inline(version)})" for name, version in loaders)


def _step(report: Report, section: Section, number: int, step: int) -> Iterator[str]:
    moved = f" (the document's step {step})" if number != step else ""
    yield from ("", f"## Step {number}: {inline(section.title)}{moved}", "")
    yield from list(_sentences(report, section.verdicts)) or ["Nothing of this was looked for."]


def _sentences(report: Report, verdicts: Sequence[ClaimVerdict]) -> Iterator[str]:
    """Yield what the claims' evidence says, each thing once, then what no experiment could show."""
    alike: dict[tuple[tuple[tuple[str, ...], str], ...], list[ClaimVerdict]] = {}
    unseen = []
    for verdict in verdicts:
        parts = _parts(report, verdict)
        if parts:
            alike.setdefault(tuple((part.runs, part.reality) for part in parts), []).append(verdict)
        else:
            unseen.append(verdict.claim.quote)
    for claims in alike.values():
        yield from _bullets(report, claims)
    if unseen:
        yield f"- not shown by any experiment: {', '.join(map(code, unseen))}"


def _parts(report: Report, verdict: ClaimVerdict) -> list[Told]:
    return [part for part in told(verdict, report.runs) if part.verdict in _SAYS_SOMETHING]


def _bullets(report: Report, claims: Sequence[ClaimVerdict]) -> Iterator[str]:
    """Yield what happened for claims that the same records decide."""
    parts = _parts(report, claims[0])
    every = answering(claims[0])
    if len(parts) == 1 and len(parts[0].runs) == len(every):
        yield f"- {inline(parts[0].reality)}{_instead(claims, parts[0])}"
        return
    yield f"- depends on {_what_on(parts, every)}:"
    for part in parts:
        yield f"  - {inline(in_short(part.runs, every))}: {inline(part.reality)}{_instead(claims, part)}"


def _instead(claims: Sequence[ClaimVerdict], part: Told) -> str:
    """Name the document's words that a part contradicts."""
    wrong = [one.claim.quote for one in claims if one.by_run[part.runs[0]].verdict == "contradicted"]
    return f"; so not {', '.join(map(code, wrong))}" if wrong else ""


def _what_on(parts: Sequence[Told], every: Sequence[str]) -> str:
    by_kernel, by_loader = (
        all({half(run) for run in part.runs}.isdisjoint(half(run) for run in every if run not in part.runs)
            for part in parts)
        for half in (kernel_of, loader_of)
    )  # fmt: skip
    if by_kernel and not (by_loader and len(set(map(kernel_of, every))) == 1):
        return "the kernel"
    return "the loader" if by_loader else "kernel and loader"


def _order(report: Report) -> Iterator[str]:
    """Yield what happens in which order, as far as claims about it were tested."""
    lines = list(_sentences(report, order_claims(report)))
    if lines:
        yield from ("", "## In which order", "", *lines)


def _by_heading(report: Report) -> Iterator[str]:
    """Yield, for a document without steps, what happens under the headings the document has."""
    heading, verdicts = "", list[ClaimVerdict]()
    for line in [*shown_lines(report), None]:
        if line is not None and line.kind != "heading":
            verdicts += line.claims
            continue
        if verdicts:
            yield from ("", f"## {inline(heading) or 'Before the first heading'}", "", *_sentences(report, verdicts))
        if line is not None:
            heading, verdicts = "".join(piece.text for cell in line.cells for piece in cell), list(line.claims)
