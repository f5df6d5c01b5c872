"""The order of the document's steps as the records have it: where they contradict the document's, theirs counts.

Only claims that stand in no step of their own are asked: those about the order of steps. Which step a record
or a selector belongs to is read off the claims of the steps: what they look for is what the step is about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from tracer.claims import ClaimTest
from tracer.compare import ClaimVerdict, RunVerdict
from tracer.report.model import Report
from tracer.selectors import Record, Selector, Variables, matches


def ordered_steps(report: Report, steps: Sequence[int]) -> list[int]:
    """Return the steps in the order in which they really happen; the document's where nothing contradicts it."""
    found = list(steps)
    moves = sorted({move for verdict in order_claims(report) for move in _moves(report, verdict)})
    for _ in moves:  # one move may undo another; cycles, which no trace can show, end here
        for earlier, later in moves:
            if earlier in found and later in found and found.index(earlier) > found.index(later):
                found.remove(earlier)
                found.insert(found.index(later), earlier)
    return found


def order_claims(report: Report) -> list[ClaimVerdict]:
    """Return the claims about the order of steps."""
    return [one for one in report.verdicts if one.claim.step is None and one.claim.row is None]


def _moves(report: Report, verdict: ClaimVerdict) -> Iterator[tuple[int, int]]:
    """Yield (earlier, later) for what happens the other way round wherever it was seen."""
    if verdict.verdict != "contradicted":
        return
    variables = {
        name: value
        for run in report.runs
        for seen in run.observations.values()
        for name, value in seen.variables.items()
    }
    for one in verdict.by_run.values():
        if one.verdict != "contradicted":
            continue
        for test in verdict.claim.tests:
            sequence = list(_happened(report, test, one, variables))
            yield from ((a, b) for a, b in pairwise(sequence) if a > b)


def _happened(report: Report, test: ClaimTest, one: RunVerdict, variables: Variables) -> Iterator[int]:
    """Yield the steps that a contradicting run shows, in the order of their happening; none if it is not this test."""
    shown: list[int | None] = []
    if not one.records:
        return
    if all(any(matches(selector, record, variables) for selector in test.order) for record in one.records):
        shown = [_step_in_order(report, test, record, variables) for record in one.records]
    elif test.see and any(matches(never, one.records[0], variables) for never in test.never):
        # Two faults in one module: the kernel complained of the one that the document has later.
        complaint = _majority(_steps_of_record(report, one.records[0], variables))
        shown = [complaint, _majority(_steps_of_selector(report, test.see[0]))]
    yield from (step for step in shown if step is not None)


def _step_in_order(report: Report, test: ClaimTest, record: Record, variables: Variables) -> int | None:
    """Return the step whose number the claim itself puts beside a record, or else that of its like in the steps."""
    for label, selector in zip(test.labels, test.order, strict=False):
        numbered = re.search(r"\d+", label)
        if numbered and matches(selector, record, variables):
            return int(numbered[0])
    return _majority(_steps_of_record(report, record, variables))


def _steps_of_record(report: Report, record: Record, variables: Variables) -> Counter[int]:
    return Counter(
        step for step, selectors in _wanted(report) if any(matches(one, record, variables) for one in selectors)
    )


def _steps_of_selector(report: Report, selector: Selector) -> Counter[int]:
    return Counter(step for step, selectors in _wanted(report) if selector in selectors)


def _wanted(report: Report) -> Iterator[tuple[int, list[Selector]]]:
    for verdict in report.verdicts:
        if verdict.claim.step is not None:
            yield verdict.claim.step, [one for test in verdict.claim.tests for one in (*test.see, *test.any)]


def _majority(steps: Mapping[int, int]) -> int | None:
    """Return the step most claims speak for; None when that is undecided."""
    ranked = sorted(steps.items(), key=lambda item: -item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
        return None
    return ranked[0][0]
