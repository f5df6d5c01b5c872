"""The page that says how often the prediction is right."""

from __future__ import annotations

import pytest

from pyinsmod.checks.relocation_findings import unsettled_crash
from pyinsmod.cli.reality import Reality
from pyinsmod.prediction import Prediction
from tests.agreement.case import Case
from tests.agreement.judge import judged
from tests.agreement.measure import Result
from tests.agreement.page import Measured
from tests.agreement.table import Row, counted, last_line, markdown

RIGHT = (Prediction("refused", "ENOEXEC"), Reality("refused", "ENOEXEC"))
WRONG_ERRNO = (Prediction("refused", "EINVAL"), Reality("refused", "ENOEXEC", ("mymod: a|b <i>",)))
IN_VAIN = (Prediction("reaches-init"), Reality("crashed-kernel", log=("BUG: bad page", "the end")))
UNDECIDED = (Prediction("cannot-tell"), Reality("loaded", init_reached=True))


def result(name: str, pair: tuple[Prediction, Reality]) -> Result:
    return Result(Case(name, b""), *pair, judged(*pair))


RESULTS = [result(f"fault/{n}", pair) for n, pair in enumerate((RIGHT, WRONG_ERRNO, IN_VAIN, UNDECIDED))]


def test_results_are_counted() -> None:
    assert counted(RESULTS) == Row(cases=4, outcome=2, refused=2, errno=1, undecided=1, shown=0, dangerous=1)
    assert counted(RESULTS).agreed == 25.0
    assert counted(RESULTS).told == pytest.approx(100 / 3)
    assert counted([]).agreed == counted([]).told == 100.0


def test_every_disagreement_is_listed_with_what_the_kernel_said() -> None:
    page = markdown([Measured("6.1", "6.1.0-1-amd64", RESULTS)], seed=3, date="2026-01-01")
    assert (
        "| 6.1 | 6.1.0-1-amd64 | 2026-01-01 | single faults | 4 | 2 | 1 of 2 | 1 | 0 | 1 | 25.00 % | 33.33 % |" in page
    )
    assert "| fault/1 | refused EINVAL | refused ENOEXEC | wrong | not understood | mymod: a\\|b &lt;i> |" in page
    assert "| fault/2 | reaches-init | crashed-kernel | wrong | not understood | BUG: bad page |" in page
    assert "fault/0" not in page
    assert "seed 3" in page
    assert "2026-01-01" in page


def test_a_kernel_without_disagreements_says_so() -> None:
    page = markdown([Measured("6.1", "6.1.0-1-amd64", RESULTS[:1])], seed=3, date="2026-01-01")
    assert "### 6.1 (6.1.0-1-amd64)\n\nNone.\n" in page


def test_what_was_answered_in_different_ways_is_shown_to_be_undetermined() -> None:
    elsewhere = {"filled": Reality("crashed-kernel"), "zeros": Reality("loaded"), "letters": Reality("crashed-kernel")}
    shown = [*RESULTS[:3], RESULTS[3]._replace(elsewhere=elsewhere)]
    assert counted(shown) == Row(cases=4, outcome=2, refused=2, errno=1, undecided=1, shown=1, dangerous=1)
    assert counted(shown).agreed == 50.0
    assert counted(shown).told == counted(RESULTS).told
    page = markdown([Measured("6.1", "a", shown)], seed=3, date="2026-01-01")
    assert "| fault/3 | cannot-tell | loaded 2; crashed-kernel 2 | undetermined, shown |" in page
    assert "| letters | 16 MiB of the letter A stand behind the file | 1 | 1 | 0 | 0 |" in page
    assert "For a control" not in page


def test_what_another_boot_answered_counts_as_well() -> None:
    again = RESULTS[3]._replace(elsewhere={"earlier 1": Reality("crashed-kernel"), "zeros": Reality("loaded")})
    assert again.shown
    page = markdown([Measured("6.1", "a", [again])], seed=3, date="2026-01-01")
    assert "| earlier | nothing: the machine was booted another time | 1 | 1 | 0 | 0 |" in page


def test_what_never_differed_is_no_agreement() -> None:
    same = RESULTS[3]._replace(elsewhere={"filled": Reality("loaded"), "zeros": Reality("hung")})
    assert not same.shown
    assert counted([same]).agreed == 0.0
    page = markdown([Measured("6.1", "a", [same])], seed=3, date="2026-01-01")
    assert "| fault/3 | cannot-tell | loaded 2; hung 1 | cannot tell |" in page


def test_a_definite_prediction_that_other_memory_refutes_is_named() -> None:
    other = RESULTS[0]._replace(elsewhere={"gaps": Reality("loaded")})
    assert not other.shown
    steady = RESULTS[0]._replace(elsewhere={"gaps": RESULTS[0].reality})
    assert "must stay what they are, and did." in markdown([Measured("6.1", "a", [steady])], 3, "2026-01-01")
    assert "must stay what they are, and did not: `fault/0`." in markdown(
        [Measured("6.1", "a", [other])], 3, "2026-01-01"
    )


def test_the_page_says_what_is_not_loaded_yet_and_what_a_kernel_cannot_have() -> None:
    absent = {("fault", "the module has no section '.BTF'"): 13}
    page = markdown([Measured("5.10", "a", RESULTS, {"fault": 370}, absent)], seed=3, date="2026-01-01")
    assert "| 5.10 | a | 2026-01-01 | single faults | 4 of 370 | 2 |" in page
    assert "| 5.10 | single faults | 13 | the module has no section '.BTF' |" in page


def test_a_long_line_is_cut() -> None:
    assert last_line(Reality("refused", log=("x" * 1000,))) == "x" * 160 + "…"
    assert last_line(Reality("refused")) == ""


def test_reasons_are_told_from_findings_and_counted_by_kernel() -> None:
    doubt = unsettled_crash("relocations", 10, "relocation 1 changes a place outside of the module")[0]
    unsettled = [result("mutation/1", pair)._replace(because=doubt) for pair in (UNDECIDED, UNDECIDED)]
    kernels = [Measured("5.10", "a", unsettled), Measured("6.1", "b", RESULTS)]
    page = markdown(kernels, seed=3, date="2026-01-01")
    assert "| a relocation near to the module, and outside | 2 loaded |  |" in page
    assert "| not understood |  | 1 crashed-kernel, 1 refused |" in page
    assert "*A relocation near to the module, and outside.* The place it changes" in page


BOTH = [Measured("5.10", "a", RESULTS), Measured("6.1", "b", RESULTS[2:])]
NEW = [result("fault/9", WRONG_ERRNO), result("mutation/1", RIGHT)]


def test_what_was_not_run_again_stays_as_it_was() -> None:
    before = markdown(BOTH, 3, "2026-01-01", "here\n", order=("5.10", "6.1"))
    again = markdown([Measured("6.1", "c", NEW)], 3, "2026-02-02", "there\n", before, ("5.10", "6.1"))
    assert "| 5.10 | a | 2026-01-01 | single faults | 4 |" in again
    assert "| 6.1 | c | 2026-02-02 | single faults | 1 |" in again
    assert "| 6.1 | c | 2026-02-02 | random mutations | 1 |" in again
    assert [line for line in again.splitlines() if line.startswith("### ")] == ["### 5.10 (a)", "### 6.1 (c)"]
    assert again.index("| fault/1 |") < again.index("### 6.1 (c)") < again.index("| fault/9 |")
    assert "| not understood | 1 crashed-kernel, 1 refused | 1 refused |" in again
    assert "In the run of 2026-01-01 (5.10, 6.1):\nhere" in again
    assert "In the run of 2026-02-02 (6.1):\nthere" in again


def test_a_class_that_was_not_run_again_stays_as_well() -> None:
    before = markdown(BOTH, 3, "2026-01-01")
    again = markdown([Measured("6.1", "c", NEW[1:])], 3, "2026-02-02", "", before)
    assert "| 6.1 | b | 2026-01-01 | single faults | 2 |" in again
    assert again.count("| fault/2 |") == 2


def test_nothing_is_kept_of_what_was_run_again_nor_of_another_seed() -> None:
    before = markdown(BOTH, 3, "2026-01-01", "here\n")
    whole = [kernel._replace(results=kernel.results[:1]) for kernel in BOTH]
    assert "2026-01-01" not in markdown(whole, 3, "2026-02-02", "", before)
    assert "2026-01-01" not in markdown([Measured("6.1", "c", NEW)], 33, "2026-02-02", "", before)


def test_a_page_is_the_same_when_nothing_is_run() -> None:
    shaken = [RESULTS[3]._replace(elsewhere={"zeros": Reality("loaded")})]
    absent = {("fault", "the module has no section '.BTF'"): 13}
    page = markdown([*BOTH, Measured("7.2", "z", shaken, {}, absent)], 3, "2026-01-01", "here\n")
    assert markdown([], 3, "2026-02-02", "", page) == page
