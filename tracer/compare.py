"""(claims, records) → verdicts. Pure: nothing here knows a kernel's version, and no verdict is stored anywhere."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from tracer import selectors
from tracer.claims.model import Claim, Claims, ClaimTest
from tracer.describe import sentence
from tracer.errno_table import undocumented
from tracer.selectors import Record, Selector

Verdict: TypeAlias = Literal["confirmed", "contradicted", "depends", "not-observed", "not-applicable", "harness-broke"]


@dataclass(frozen=True)
class Observation:
    """What one experiment gave in one run.

    Attributes:
        records: the trace, header to end; empty when there is none.
        variables: what `$NAME` in a selector stands for.
        broke: why there is no usable trace, or None.
        inapplicable: why this run cannot do the experiment, or None.
    """

    records: Sequence[Record] = ()
    variables: Mapping[str, Any] = field(default_factory=dict)
    broke: str | None = None
    inapplicable: str | None = None


@dataclass(frozen=True)
class Run:
    """A kernel and a loader, and what each experiment gave there (by the experiment's name)."""

    kernel: str
    release: str
    loader: str
    loader_version: str
    observations: Mapping[str, Observation]

    @property
    def name(self) -> str:
        """`KERNEL/LOADER`, the run's name in reports."""
        return f"{self.kernel}/{self.loader}"


@dataclass(frozen=True)
class RunVerdict:
    """A claim in one run: the verdict, what really happened in a sentence, and the decisive records."""

    verdict: Verdict
    reality: str
    records: tuple[Record, ...] = ()


@dataclass(frozen=True)
class ClaimVerdict:
    """A claim over all runs."""

    claim: Claim
    verdict: Verdict
    reality: str
    by_run: Mapping[str, RunVerdict]


def compare(claims: Claims, runs: Sequence[Run]) -> list[ClaimVerdict]:
    """Judge every claim in every run, in the file's order."""
    return [judge(claim, runs) for claim in claims.claims]


def judge(claim: Claim, runs: Sequence[Run]) -> ClaimVerdict:
    """Judge one claim over all runs."""
    by_run = {run.name: judge_run(claim, run) for run in runs}
    return ClaimVerdict(claim, combined([one.verdict for one in by_run.values()]), _common_reality(by_run), by_run)


def combined(verdicts: Sequence[Verdict]) -> Verdict:
    """Return one verdict for several runs: those that say something decide; if they differ, it depends."""
    said = {verdict for verdict in verdicts if verdict in {"confirmed", "contradicted"}}
    if len(said) == 2:
        return "depends"
    if said:
        return said.pop()
    for silent in ("not-observed", "harness-broke"):
        if silent in verdicts:
            return silent
    return "not-applicable"


def judge_run(claim: Claim, run: Run) -> RunVerdict:
    """Judge one claim in one run: every test that can be done there must hold."""
    if claim.broken:
        return RunVerdict("harness-broke", claim.broken)
    if not claim.tests:
        return RunVerdict("not-observed", "no experiment of the claims file provokes it")
    results = [(test, _judge_in_run(test, run)) for test in claim.tests]
    results = [pair for pair in results if pair[1].verdict != "not-applicable"] or results
    needed = [result for test, result in results if not (test.optional and result.verdict == "not-observed")]
    return _all_of(needed or [result for _, result in results])


def _all_of(results: Sequence[RunVerdict]) -> RunVerdict:
    for decisive in ("harness-broke", "not-applicable", "contradicted", "not-observed"):
        for result in results:
            if result.verdict == decisive:
                return result
    records = tuple(record for result in results for record in result.records)
    return RunVerdict("confirmed", "; ".join(dict.fromkeys(result.reality for result in results)), records)


def _judge_in_run(test: ClaimTest, run: Run) -> RunVerdict:
    if test.errnos_of is None:
        return _judge_test(test, run.observations[test.experiment])
    found = undocumented(test.errnos_of, test.errnos, {name: one.records for name, one in run.observations.items()})
    if not found.failures:
        return RunVerdict("not-observed", f"{test.errnos_of}() never failed here")
    if found.undocumented:
        return RunVerdict("contradicted", found.in_words(), tuple(found.undocumented.values())[:10])
    return RunVerdict("confirmed", found.in_words(), found.failures[:3])


def _judge_test(test: ClaimTest, observed: Observation) -> RunVerdict:
    if observed.inapplicable:
        return RunVerdict("not-applicable", observed.inapplicable)
    if observed.broke or not _whole(observed.records):
        return RunVerdict("harness-broke", observed.broke or "the trace has no end")
    absent = _first_absent(test.given, observed)
    if absent:
        return RunVerdict("not-observed", f"the experiment did not get there: no {absent}")
    if test.given_any and not any(_find(selector, observed) for selector in test.given_any):
        wanted = " and no ".join(selectors.describe(one, observed.variables) for one in test.given_any)
        return RunVerdict("not-observed", f"the experiment did not get there: no {wanted}")
    return _judge_seen(test, observed)


def _judge_seen(test: ClaimTest, observed: Observation) -> RunVerdict:
    evidence: list[Record] = []
    for selector in test.never:
        forbidden = _find(selector, observed)
        if forbidden:
            return RunVerdict("contradicted", _said(forbidden[:1]), tuple(forbidden))
    for selector in test.see:
        found = _find(selector, observed)
        if not found:
            return _missed(test, selector, observed)
        evidence += found[:3]
    if test.any:
        alternatives = [record for selector in test.any for record in _find(selector, observed)]
        if not alternatives:
            return _missed(test, test.any[0], observed)
        evidence += alternatives[:3]
    told = [] if not evidence else [_said(evidence[: max(1, len(test.see) + bool(test.any))])]
    if test.order:
        ordered = _judge_order(test, observed)
        if ordered.verdict != "confirmed":
            return ordered
        evidence += ordered.records
        told.append(ordered.reality)
    evidence += [record for selector in test.given for record in _find(selector, observed)[:1]]
    denied = [f"no {selectors.describe(selector, observed.variables)}" for selector in test.never]
    told = told or ([_said(evidence[:1])] if evidence else [])
    return RunVerdict("confirmed", "; ".join(told + denied), tuple(evidence))


def _judge_order(test: ClaimTest, observed: Observation) -> RunVerdict:
    first: list[tuple[Record, str]] = []
    absent: list[str] = []
    for number, selector in enumerate(test.order):
        found = _find(selector, observed)
        label = test.labels[number] if test.labels else ""
        if found:
            first.append((found[0], label))
        else:
            absent.append(label or selectors.describe(selector, observed.variables))
    if absent and (not test.optional or len(first) < 2):
        nothing = f"nothing to put in order: no {' and no '.join(absent)}"
        return RunVerdict("not-observed", nothing, tuple(record for record, _ in first))
    in_order = all(a[0]["t"] <= b[0]["t"] + _doubt(a[0], b[0], observed) for a, b in itertools.pairwise(first))
    happened = sorted(first, key=lambda pair: pair[0]["t"])
    told = ", then ".join(f"{label}: {sentence(one)}" if label else sentence(one) for one, label in happened)
    unseen = f"; not to be seen here: {', '.join(absent)}" if absent else ""
    records = tuple(record for record, _ in happened)
    return RunVerdict("confirmed" if in_order else "contradicted", f"in this order: {told}{unseen}", records)


def _doubt(one: Record, other: Record, observed: Observation) -> int:
    """Return by how many nanoseconds two records' times may be wrong against each other.

    The kernel's log has a clock of its own; how far it can be off was measured when the trace began.
    """
    if (one["type"] == "log") == (other["type"] == "log"):
        return 0
    return int(observed.records[0].get("kernel_side", {}).get("log_clock_error_ns", 0))


def _missed(test: ClaimTest, selector: Selector, observed: Observation) -> RunVerdict:
    instead = [record for other in test.instead for record in _find(other, observed)]
    wanted = f"no {selectors.describe(selector, observed.variables)}"
    reality = f"{_said(instead[:2])}" if instead else wanted
    return RunVerdict("contradicted", reality, tuple(instead[:3]))


def _find(selector: Selector, observed: Observation) -> list[Record]:
    return selectors.find(selector, observed.records, observed.variables)


def _first_absent(wanted: Sequence[Selector], observed: Observation) -> str | None:
    for selector in wanted:
        if not _find(selector, observed):
            return selectors.describe(selector, observed.variables)
    return None


def _whole(records: Sequence[Record]) -> bool:
    return bool(records) and records[0].get("type") == "header" and any(r.get("type") == "end" for r in records[-1:])


def _said(records: Sequence[Record]) -> str:
    return "; ".join(dict.fromkeys(map(sentence, records)))


def _common_reality(by_run: Mapping[str, RunVerdict]) -> str:
    """Put the runs' sentences together, each once, with the runs it is true of when they differ."""
    runs_of: dict[str, list[str]] = {}
    told = {name: result for name, result in by_run.items() if result.verdict != "not-applicable"} or by_run
    for name, result in told.items():
        runs_of.setdefault(result.reality, []).append(name)
    if len(runs_of) == 1:
        return next(iter(runs_of))
    return " | ".join(f"{', '.join(names)}: {reality}" for reality, names in runs_of.items())
