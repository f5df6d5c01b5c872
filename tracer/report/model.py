"""What every report is made from, and the orders and groups that the formats share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tracer.claims import Experiment
from tracer.compare import ClaimVerdict, Run, Verdict
from tracer.document_parts import failure_rows, step_headings
from tracer.errno_table import Row
from tracer.selectors import Record

#: In the order of reports: what says something first, what says nothing last.
VERDICTS: tuple[Verdict, ...] = (
    "confirmed",
    "contradicted",
    "depends",
    "not-observed",
    "not-applicable",
    "harness-broke",
)

#: One sign a verdict, so that a report is readable without colour.
GLYPHS: Mapping[Verdict, str] = MappingProxyType(
    {
        "confirmed": "✓",
        "contradicted": "✗",
        "depends": "◐",
        "not-observed": "○",
        "not-applicable": "–",
        "harness-broke": "!",
    }
)

_SOURCES = MappingProxyType(
    {
        "syscall": "syscalls",
        "kernel_call": "kernel functions",
        "kernel_event": "tracepoints",
        "log": "kernel log",
        "uevent": "uevents",
        "state": "state",
        "exec": "process",
        "exit": "process",
        "signal": "process",
        "header": "process",
        "end": "process",
        "survey": "survey",
    }
)


@dataclass(frozen=True)
class Report:
    """A document, the runs it was held against, and the verdicts.

    Attributes:
        document: its path, as the user named it.
        text: what it says.
        runs: kernels × loaders, in the order in which they are shown.
        verdicts: one for each claim, in the order of the claims file.
        experiments: the claims file's, by name; may lack some, or all.
        made: when, in words for people; empty when it is not to be said.
        subject: the document as it was named on the command line; nothing for the project's own.
        chosen: the options that chose the runs, as they were typed; nothing when they are not known.
        errors: which errors of calls the document lists, and which occurred; nothing for a document that lists none.
    """

    document: Path
    text: str
    runs: Sequence[Run]
    verdicts: Sequence[ClaimVerdict]
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    made: str = ""
    subject: tuple[str, ...] = ()
    chosen: tuple[str, ...] = ()
    errors: Sequence[Row] = ()


@dataclass(frozen=True)
class Section:
    """A step, a row of the failure table, or the claims that belong to neither.

    Attributes:
        key: `step-3`, `F1` or `other`; fit for an anchor.
        label: `3`, `F1` or `–`, for a narrow column.
        title: what the document calls it; empty when it does not say.
        verdicts: of its claims; empty when there is no claim about it.
    """

    key: str
    label: str
    title: str
    verdicts: tuple[ClaimVerdict, ...]


def sections(report: Report) -> list[Section]:
    """Return steps by number, then rows, then the rest: all that the document or a claim has."""
    grouped: dict[str, list[ClaimVerdict]] = {}
    for verdict in report.verdicts:
        grouped.setdefault(_key(verdict), []).append(verdict)
    titles: dict[int, str] = {}
    for heading in step_headings(report.text):
        titles.setdefault(heading.step, heading.title)
    claimed = {one.claim.step for one in report.verdicts if one.claim.step is not None and one.claim.row is None}
    made = [
        Section(f"step-{step}", str(step), titles.get(step, ""), tuple(grouped.get(f"step-{step}", ())))
        for step in sorted(claimed | set(titles))
    ]
    names = failure_rows(report.text)
    rows = sorted({one.claim.row for one in report.verdicts if one.claim.row is not None}, key=_natural)
    made += [Section(row, row, names.get(row, ""), tuple(grouped[row])) for row in rows]
    if "other" in grouped:
        made.append(Section("other", "–", "The document as a whole", tuple(grouped["other"])))
    return made


def counts(verdicts: Sequence[ClaimVerdict]) -> dict[Verdict, int]:
    """Return how many claims have each verdict, in the order of `VERDICTS`, those that occur only."""
    found = Counter(one.verdict for one in verdicts)
    return {verdict: found[verdict] for verdict in VERDICTS if found[verdict]}


def summary(report: Report) -> str:
    """Return the counts in words, on one line."""
    total, runs = len(report.verdicts), len(report.runs)
    parts = [f"{number} {verdict}" for verdict, number in counts(report.verdicts).items()]
    head = f"{total} claim{'s' * (total != 1)} in {runs} run{'s' * (runs != 1)}"
    return f"{head}: {', '.join(parts)}" if parts else head


def place(verdict: ClaimVerdict) -> str:
    """Return where a claim stands, in words: `step 3`, `row F1` or nothing."""
    if verdict.claim.row is not None:
        return f"row {verdict.claim.row}"
    return "" if verdict.claim.step is None else f"step {verdict.claim.step}"


def by_source(records: Sequence[Record]) -> dict[str, list[Record]]:
    """Group records by who saw them; within a group they keep their order."""
    grouped: dict[str, list[Record]] = {}
    for record in records:
        kind = str(record.get("type"))
        grouped.setdefault(_SOURCES.get(kind, kind), []).append(record)
    return grouped


def _key(verdict: ClaimVerdict) -> str:
    if verdict.claim.row is not None:
        return verdict.claim.row
    return "other" if verdict.claim.step is None else f"step-{verdict.claim.step}"


def _natural(row: str) -> tuple[str, int, str]:
    digits = "".join(char for char in row if char.isascii() and char.isdigit())
    return row.rstrip("0123456789"), int(digits or 0), row
