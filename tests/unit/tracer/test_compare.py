from __future__ import annotations

from typing import Any

import pytest

from tracer.claims import Claim, ClaimTest
from tracer.compare import Observation, Run, RunVerdict, Verdict, combined, judge, judge_run

HEADER = {"type": "header", "t": 0}
END = {"type": "end", "t": 99, "status": 0}
CALL = {"type": "kernel_call", "t": 10, "name": "load_module"}
LATER = {"type": "kernel_call", "t": 20, "name": "free_module"}


def trace(*records: dict[str, Any]) -> Observation:
    return Observation(records=(HEADER, *records, END))


def verdict_of(observed: Observation, **test: Any) -> Verdict:  # noqa: ANN401 - any of its fields
    claim = Claim("id", 1, None, "quote", "says", (ClaimTest("load", **test),))
    return judge_run(claim, Run("6.1", "6.1.0", "kmod", "30", {"load": observed})).verdict


SEE = ({"type": "kernel_call", "name": "load_module"},)
SEE_LATER = ({"type": "kernel_call", "name": "free_module"},)


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (Observation(), "harness-broke"),
        (Observation(records=(HEADER, CALL)), "harness-broke"),
        (Observation(records=(CALL, END)), "harness-broke"),
        (Observation(records=(HEADER, END, CALL)), "harness-broke"),
        (Observation(records=(HEADER, CALL, END), broke="the machine was lost"), "harness-broke"),
        (Observation(inapplicable="no such word in this kernel's vermagic"), "not-applicable"),
        (trace(CALL), "confirmed"),
        (trace(), "contradicted"),
    ],
)
def test_a_claim_that_something_is_seen(observed: Observation, expected: Verdict) -> None:
    assert verdict_of(observed, see=SEE) == expected


def test_without_what_was_given_nothing_was_observed() -> None:
    assert verdict_of(trace(CALL), given=SEE_LATER, see=SEE) == "not-observed"
    assert verdict_of(trace(CALL, LATER), given=SEE_LATER, see=SEE) == "confirmed"


def test_what_must_never_be_seen() -> None:
    assert verdict_of(trace(CALL), given=SEE, never=SEE_LATER) == "confirmed"
    assert verdict_of(trace(CALL, LATER), given=SEE, never=SEE_LATER) == "contradicted"


def test_one_of_several_is_enough() -> None:
    assert verdict_of(trace(LATER), any=(*SEE, *SEE_LATER)) == "confirmed"
    assert verdict_of(trace(), any=(*SEE, *SEE_LATER)) == "contradicted"


def test_order() -> None:
    assert verdict_of(trace(CALL, LATER), order=(*SEE, *SEE_LATER)) == "confirmed"
    assert verdict_of(trace(CALL, LATER), order=(*SEE_LATER, *SEE)) == "contradicted"
    assert verdict_of(trace(CALL), order=(*SEE, *SEE_LATER)) == "not-observed"


def test_every_test_of_a_claim_must_hold() -> None:
    claim = Claim("id", 1, None, "q", "s", (ClaimTest("a", see=SEE), ClaimTest("b", see=SEE)))
    run = Run("6.1", "6.1.0", "kmod", "30", {"a": trace(CALL), "b": trace()})
    assert judge_run(claim, run).verdict == "contradicted"


def test_a_test_that_cannot_be_done_here_leaves_the_others() -> None:
    claim = Claim("id", 1, None, "q", "s", (ClaimTest("a", see=SEE), ClaimTest("b", see=SEE)))
    elsewhere = Observation(inapplicable="settled elsewhere")
    assert judge_run(claim, Run("6.1", "r", "kmod", "30", {"a": trace(CALL), "b": elsewhere})).verdict == "confirmed"
    assert judge_run(claim, Run("6.1", "r", "kmod", "30", {"a": elsewhere, "b": elsewhere})).verdict == "not-applicable"


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["confirmed", "confirmed"], "confirmed"),
        (["confirmed", "contradicted"], "depends"),
        (["confirmed", "harness-broke"], "confirmed"),
        (["confirmed", "not-observed", "not-applicable"], "confirmed"),
        (["contradicted", "not-observed"], "contradicted"),
        (["not-observed", "harness-broke"], "not-observed"),
        (["harness-broke", "not-applicable"], "harness-broke"),
        (["not-applicable"], "not-applicable"),
        ([], "not-applicable"),
    ],
)
def test_several_runs(verdicts: list[Verdict], expected: Verdict) -> None:
    assert combined(verdicts) == expected


def test_reality_says_which_run_it_is_true_of() -> None:
    claim = Claim("id", 1, None, "q", "s", (ClaimTest("load", see=SEE, instead=SEE_LATER),))
    runs = [
        Run("6.1", "r", "kmod", "30", {"load": trace(CALL)}),
        Run("6.1", "r", "busybox", "1", {"load": trace(LATER)}),
    ]
    result = judge(claim, runs)
    assert result.verdict == "depends"
    assert result.reality == "6.1/kmod: the kernel ran load_module() | 6.1/busybox: the kernel ran free_module()"


def with_selectors(**test: Any) -> ClaimTest:  # noqa: ANN401 - any of its fields
    return ClaimTest("load", **test)


def judged(observed: Observation, *tests: ClaimTest, broken: str | None = None) -> RunVerdict:
    claim = Claim("id", 1, None, "quote", "says", tests, broken)
    return judge_run(claim, Run("6.1", "6.1.0", "kmod", "30", {"load": observed, "other": trace()}))


def test_a_claim_that_cannot_be_judged_is_neither_true_nor_false() -> None:
    found = judged(trace(CALL), with_selectors(see=SEE), broken="doc.claims.toml:7: the document does not say 'x'")
    assert (found.verdict, found.reality) == ("harness-broke", "doc.claims.toml:7: the document does not say 'x'")


def test_a_claim_without_an_experiment_is_not_observed() -> None:
    assert judged(trace(CALL)).verdict == "not-observed"


def test_one_of_what_was_given_is_enough() -> None:
    given = (*SEE, *SEE_LATER)
    assert judged(trace(CALL), with_selectors(given_any=given, see=SEE)).verdict == "confirmed"
    assert judged(trace(LATER), with_selectors(given_any=given, see=SEE)).verdict == "contradicted"
    assert judged(trace(), with_selectors(given_any=given, see=SEE)).verdict == "not-observed"


class TestOptional:
    """What can show nothing here leaves the decision to the others."""

    NOTHING = with_selectors(order=(*SEE, *SEE_LATER), optional=True)

    def test_it_does_not_stand_in_the_way(self) -> None:
        assert judged(trace(CALL), self.NOTHING, with_selectors(see=SEE)).verdict == "confirmed"

    def test_alone_it_is_not_observed(self) -> None:
        assert judged(trace(CALL), self.NOTHING).verdict == "not-observed"

    def test_what_it_contradicts_is_contradicted(self) -> None:
        wrong = with_selectors(order=(*SEE_LATER, *SEE), optional=True)
        assert judged(trace(CALL, LATER), wrong, with_selectors(see=SEE)).verdict == "contradicted"

    def test_an_optional_order_is_of_what_was_seen(self) -> None:
        order = (*SEE, {"type": "log"}, *SEE_LATER)
        labels = ("load", "log", "free")
        found = judged(trace(CALL, LATER), with_selectors(order=order, labels=labels, optional=True))
        assert found.verdict == "confirmed"
        assert "load: the kernel ran load_module(), then free:" in found.reality
        assert found.reality.endswith("not to be seen here: log")

    def test_all_of_an_optional_order_but_one_is_still_an_order(self) -> None:
        last = {"type": "kernel_call", "t": 30, "name": "do_free_init"}
        order = (*SEE_LATER, *SEE, {"type": "kernel_call", "name": "do_free_init"}, {"type": "log"})
        assert judged(trace(CALL, LATER, last), with_selectors(order=order, optional=True)).verdict == "contradicted"


@pytest.mark.parametrize(
    ("seen", "reality"),
    [(trace(), "the experiment did not get there"), (trace(CALL, LATER), "the kernel ran load_module()")],
)
def test_reality_is_of_the_runs_in_which_something_could_be_seen(seen: Observation, reality: str) -> None:
    claim = Claim("id", 1, None, "q", "s", (ClaimTest("load", given=SEE_LATER, see=SEE),))
    elsewhere = Observation(inapplicable="no such word in this kernel's vermagic")
    runs = [Run(name, "r", "kmod", "30", {"load": each}) for name, each in (("6.1", seen), ("7.2", elsewhere))]
    assert judge(claim, runs).reality.startswith(reality)
    assert "vermagic" not in judge(claim, runs).reality


def test_reality_tells_what_must_be_seen_and_one_of_the_alternatives() -> None:
    found = judged(trace(CALL, LATER), with_selectors(see=SEE, any=SEE_LATER))
    assert found.reality == "the kernel ran load_module(); the kernel ran free_module()"


def test_two_lines_of_the_log_have_one_clock() -> None:
    first, second = {"type": "log", "t": 10, "text": "second"}, {"type": "log", "t": 15, "text": "first"}
    header = {**HEADER, "kernel_side": {"log_clock_error_ns": 500}}
    order = ({"type": "log", "text": "first"}, {"type": "log", "text": "second"})
    assert verdict_of(Observation((header, first, second, END)), order=order) == "contradicted"


def test_errors_of_a_call_are_looked_for_in_every_experiment() -> None:
    failed = {"type": "syscall", "t": 5, "name": "f", "errno": "EPERM", "args": {}, "return": -1}
    claim = with_selectors(errnos_of="f", errnos=("EIO",))
    found = judged(trace(failed), claim)
    assert (found.verdict, found.reality) == ("contradicted", "f() also failed with EPERM (experiments load)")
    assert judged(trace({**failed, "errno": "EIO"}), claim).verdict == "confirmed"
    assert judged(trace(CALL), claim).verdict == "not-observed"


@pytest.mark.parametrize(
    ("doubt", "verdict"),
    [(0, "contradicted"), (4, "contradicted"), (5, "confirmed"), (10, "confirmed"), (500, "confirmed")],
)
def test_a_log_line_may_be_as_early_as_its_clock_is_wrong(doubt: int, verdict: Verdict) -> None:
    """Measured: the line of an init function was stamped microseconds before the tracepoint of its start."""
    called = {"type": "kernel_event", "t": 15, "name": "initcall_start"}
    said = {"type": "log", "t": 10, "text": "mymod: init"}
    header = {**HEADER, "kernel_side": {"log_clock_error_ns": doubt}}
    order = ({"type": "kernel_event", "name": "initcall_start"}, {"type": "log", "text": "mymod: init"})
    assert verdict_of(Observation((header, said, called, END)), order=order) == verdict


def test_the_doubt_about_the_log_is_none_about_anything_else() -> None:
    first = {"type": "kernel_call", "t": 10, "name": "free_module"}
    second = {"type": "kernel_call", "t": 15, "name": "load_module"}
    header = {**HEADER, "kernel_side": {"log_clock_error_ns": 500}}
    order = ({"type": "kernel_call", "name": "load_module"}, {"type": "kernel_call", "name": "free_module"})
    assert verdict_of(Observation((header, first, second, END)), order=order) == "contradicted"
