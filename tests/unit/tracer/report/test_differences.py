from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from tracer.claims import Claim, ClaimTest
from tracer.compare import ClaimVerdict, Observation, Run, RunVerdict, Verdict, combined
from tracer.report.differences import Difference, between_kernels, between_loaders
from tracer.report.model import Report

Maker = Callable[..., ClaimVerdict]

KERNELS = ("5.10", "6.1", "7.2")
LOADERS = ("kmod", "kmod-34", "busybox")


def judged(name: str, answer: Callable[[str, str], tuple[Verdict, str]]) -> ClaimVerdict:
    by_run = {f"{kernel}/{loader}": RunVerdict(*answer(kernel, loader)) for kernel in KERNELS for loader in LOADERS}
    claim = Claim(name, 1, None, "quote", "says", (ClaimTest("load"),))
    return ClaimVerdict(claim, combined([one.verdict for one in by_run.values()]), "", by_run)


def matrix(*verdicts: ClaimVerdict, observations: Mapping[str, Observation] | None = None) -> Report:
    runs = [
        Run(kernel, f"{kernel}.0", loader, "1", observations or {"load": Observation()})
        for kernel in KERNELS
        for loader in LOADERS
    ]
    return Report(Path("d.md"), "quote", runs, verdicts)


def said(found: list[Difference]) -> list[tuple[tuple[str, ...], list[tuple[str, bool]]]]:
    return [(one.names, [(each.claim.claim.id, each.verdict) for each in one.deviations]) for one in found]


def test_runs_that_all_agree_differ_in_nothing() -> None:
    report = matrix(judged("a", lambda _, __: ("confirmed", "so")))
    assert (between_kernels(report), between_loaders(report)) == ([], [])


def test_a_kernel_that_answers_otherwise_is_named_with_what_the_others_do() -> None:
    report = matrix(judged("a", lambda kernel, _: ("contradicted", "0") if kernel == "5.10" else ("confirmed", "1")))
    (found,) = between_kernels(report)
    assert (found.names, found.every) == (("5.10",), KERNELS)
    (deviation,) = found.deviations
    assert [(part.verdict, part.reality) for part in deviation.here] == [("contradicted", "0")]
    assert [(part.verdict, part.reality) for part in deviation.elsewhere] == [("confirmed", "1")]
    assert between_loaders(report) == []


def test_a_loader_that_does_otherwise_is_named() -> None:
    one = judged("a", lambda _, loader: ("confirmed", "init_module" if loader == "busybox" else "finit_module"))
    report = matrix(one)
    assert said(between_loaders(report)) == [(("busybox",), [("a", False)])]
    assert between_kernels(report) == []


def test_what_deviates_alike_stands_together_and_verdicts_come_first() -> None:
    words = judged("words", lambda kernel, _: ("confirmed", "x" if kernel == "7.2" else "y"))
    verdict = judged("verdict", lambda kernel, _: ("contradicted" if kernel == "7.2" else "confirmed", "z"))
    assert said(between_kernels(matrix(words, verdict))) == [(("7.2",), [("verdict", True), ("words", False)])]


def test_the_usual_verdict_counts_before_the_usual_words() -> None:
    """Three kernels with three sentences: the one with the verdict of its own is the one that differs."""
    one = judged("a", lambda kernel, _: ("contradicted" if kernel == "5.10" else "confirmed", f"it said {kernel}x"))
    found = {difference.names: difference.deviations[0].verdict for difference in between_kernels(matrix(one))}
    assert found[("5.10",)] is True
    assert not any(verdict for names, verdict in found.items() if names != ("5.10",))


def test_a_single_cell_deviates_on_both_sides() -> None:
    report = matrix(judged("a", lambda *run: ("contradicted" if run == ("6.1", "kmod") else "confirmed", "s")))
    assert said(between_kernels(report)) == [(("6.1",), [("a", True)])]
    assert said(between_loaders(report)) == [(("kmod",), [("a", True)])]


def test_a_lost_machine_and_an_impossible_experiment_are_no_differences() -> None:
    silent: dict[str, Verdict] = {"5.10": "harness-broke", "6.1": "not-applicable", "7.2": "confirmed"}
    report = matrix(judged("a", lambda kernel, _: (silent[kernel], kernel)))
    assert (between_kernels(report), between_loaders(report)) == ([], [])


def test_more_tests_in_one_run_are_no_difference_of_loaders() -> None:
    """What the kernel does by itself is tested with the first loader: its longer sentence says nothing of it."""
    one = judged("a", lambda _, loader: ("confirmed", "more" if loader == "kmod" else "less"))
    one = replace(one, claim=replace(one.claim, tests=(ClaimTest("load"), ClaimTest("fault"))))
    report = matrix(one)
    settled = Observation(inapplicable="settled by kmod")
    runs = [
        replace(run, observations={"load": Observation(), "fault": Observation() if run.loader == "kmod" else settled})
        for run in report.runs
    ]
    assert between_loaders(replace(report, runs=runs)) == []
    assert said(between_loaders(report)) == [(("kmod",), [("a", False)])]
