"""Which kernels answer otherwise than the others, and which loaders do: the matrix read along its two sides.

For each claim the usual answer is what most runs with the same other half (the same loader; the same kernel) give.
Who deviates from it is named; what is deviated in the same claims stands together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from tracer.compare import ClaimVerdict
from tracer.report.grouping import Told, kernel_of, loader_of, told
from tracer.report.model import Report

_Half: TypeAlias = Callable[[str], str]


class Deviation(NamedTuple):
    """A claim for which some kernels (or loaders) answer otherwise: what happened there, and what elsewhere.

    `verdict` tells whether the verdict differs too, not only what happened.
    """

    claim: ClaimVerdict
    here: tuple[Told, ...]
    elsewhere: tuple[Told, ...]
    verdict: bool


@dataclass(frozen=True)
class Difference:
    """Kernels (or loaders) that deviate together, of all there are, and in what."""

    names: tuple[str, ...]
    every: tuple[str, ...]
    deviations: tuple[Deviation, ...]


def between_kernels(report: Report) -> list[Difference]:
    """Return how kernels differ under the same loader."""
    return _differences(report, kernel_of, loader_of)


def between_loaders(report: Report) -> list[Difference]:
    """Return how loaders differ on the same kernel."""
    return _differences(report, loader_of, kernel_of)


def _differences(report: Report, axis: _Half, across: _Half) -> list[Difference]:
    every = tuple(dict.fromkeys(axis(run.name) for run in report.runs))
    grouped: dict[tuple[str, ...], list[Deviation]] = {}
    for verdict in report.verdicts:
        alike = _same_tests(verdict, report)
        for names, deviation in _deviations(verdict, told(verdict, report.runs), axis, across):
            if alike or deviation.verdict:
                grouped.setdefault(names, []).append(deviation)
    made = [
        Difference(names, every, tuple(sorted(found, key=lambda one: not one.verdict)))
        for names, found in grouped.items()
    ]
    return sorted(made, key=lambda one: (-sum(found.verdict for found in one.deviations), len(one.names)))


def _deviations(
    verdict: ClaimVerdict, parts: Sequence[Told], axis: _Half, across: _Half
) -> Iterator[tuple[tuple[str, ...], Deviation]]:
    """Yield for each set of names that deviate in the same way what they do."""
    answer = {run: number for number, part in enumerate(parts) for run in part.runs if _says(part)}
    usual = _usual(answer, parts, across)
    deviating: dict[str, list[str]] = {}
    for run, number in answer.items():
        if number != usual[across(run)]:
            deviating.setdefault(axis(run), []).append(run)
    alike: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for name, runs in deviating.items():
        alike.setdefault(tuple((across(run), answer[run]) for run in runs), []).append(name)
    for signature, names in alike.items():
        numbers = dict.fromkeys(number for _, number in signature)
        others = dict.fromkeys(usual[other] for other, _ in signature)
        here = [run for name in names for run in deviating[name]]
        yield (
            tuple(names),
            Deviation(
                verdict,
                tuple(_only(parts[number], here) for number in numbers),
                tuple(parts[number] for number in others),
                {parts[number].verdict for number in numbers} != {parts[number].verdict for number in others},
            ),
        )


def _usual(answer: Mapping[str, int], parts: Sequence[Told], across: _Half) -> dict[str, int]:
    """Return for each other half the answer most runs give: first the verdict, then what happens.

    Where they are even, the more common one of all runs.
    """
    overall = Counter(answer.values())
    judged_overall = Counter(parts[number].verdict for number in answer.values())
    usual = {}
    for other in dict.fromkeys(map(across, answer)):
        here = Counter(number for run, number in answer.items() if across(run) == other)
        judged = Counter(parts[number].verdict for number in here.elements())
        verdict = max(judged, key=lambda one: (judged[one], judged_overall[one]))
        alike = [number for number in here if parts[number].verdict == verdict]
        usual[other] = max(alike, key=lambda number: (here[number], overall[number], -number))
    return usual


def _only(part: Told, runs: Sequence[str]) -> Told:
    return part._replace(runs=tuple(run for run in part.runs if run in runs))


def _same_tests(verdict: ClaimVerdict, report: Report) -> bool:
    """Tell whether the claim was tested by the same experiments everywhere: else sentences differ for that alone."""
    done = {
        frozenset(
            test.experiment
            for test in verdict.claim.tests
            if test.experiment in run.observations and run.observations[test.experiment].inapplicable is None
        )
        for run in report.runs
    }
    return len(done - {frozenset()}) <= 1


def _says(part: Told) -> bool:
    """Tell whether a run answered at all: a machine that was lost says nothing about its kernel."""
    return part.verdict not in {"harness-broke", "not-applicable"}
