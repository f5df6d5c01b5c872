"""Where a file is loaded once more, and which answers there count."""

from __future__ import annotations

import pytest

from pyinsmod.checks.relocation_findings import by_distance, refusal, unsettled_crash
from pyinsmod.cli.reality import Attempt, Reality
from pyinsmod.finding import Finding
from pyinsmod.prediction import Prediction
from tests.agreement.case import Case
from tests.agreement.cases import Bench
from tests.agreement.judge import judged
from tests.agreement.measure import CONTROL, Result, control, surroundings_of
from tests.agreement.surroundings import GUEST_PATH, SURROUNDINGS, Fillers, faults_of, is_answer

OPEN, REFUSED, REACHES = Prediction("cannot-tell"), Prediction("refused", "ENOEXEC"), Prediction("reaches-init")
REFUSAL = Reality("refused", "ENOEXEC")


def result(prediction: Prediction, because: Finding | None = None, name: str = "mutation/bytes/0001") -> Result:
    return Result(Case(name, b""), prediction, REFUSAL, judged(prediction, REFUSAL), because)


@pytest.mark.parametrize(
    ("reality", "counts"),
    [
        (Reality("hung"), False),
        (Reality("crashed-kernel", log=("Kernel panic - not syncing: Out of memory",)), False),
        (Reality("crashed-kernel", log=("BUG: unable to handle page fault", " load_module+0x7cf/0x1e00")), True),
        (Reality("loaded", complaint="modprobe: no such module"), False),
        (Reality("loaded"), True),
        (REFUSAL, True),
    ],
)
def test_only_what_the_kernel_says_of_the_file_counts(reality: Reality, counts: bool) -> None:
    assert is_answer(reality) is counts


@pytest.mark.parametrize(("check", "beside"), [("memory", "file"), ("relocations", "module")])
def test_what_is_left_open_is_loaded_where_that_memory_differs(check: str, beside: str) -> None:
    chosen = surroundings_of(result(OPEN, unsettled_crash(check, 8, "it is read outside")[0]))
    assert chosen == [each for each in SURROUNDINGS if each.beside == beside]
    assert len(chosen) >= 5


def test_where_the_distance_decides_the_kernel_is_booted_so_that_nothing_is_drawn() -> None:
    finding = by_distance(refusal("it overflows", "far", "wants near", "overflow"))
    assert [each.parameters for each in surroundings_of(result(OPEN, finding))] == ["nokaslr"]


def test_what_was_told_and_what_is_open_for_another_reason_is_not_loaded_again() -> None:
    assert surroundings_of(result(REFUSED)) == []
    assert surroundings_of(result(OPEN, Finding("symbols", 9, "cannot-tell", "what it exports is unknown"))) == []


def test_the_control_has_some_of_each_definite_prediction_and_stays_the_same() -> None:
    results = [result(each, name=f"mutation/bytes/{n}") for each in (OPEN, REFUSED, REACHES) for n in range(9)]
    chosen = control(results, 3)
    assert [each.prediction for each in chosen].count(REFUSED) == CONTROL
    assert [each.prediction for each in chosen].count(REACHES) == CONTROL
    assert len(chosen) == 2 * CONTROL
    assert sorted(map(str, control(results[::-1], 3))) == sorted(map(str, chosen))


def test_every_word_has_its_modules_and_the_files_size_in_pages() -> None:
    class Built(Bench):
        def built(self, *_: object) -> bytes:
            return b"module"

    fillers = Fillers(Built.__new__(Built))
    for surroundings in SURROUNDINGS:
        attempt = fillers.attempt(surroundings, Attempt("case.ko", bytes(4097)))
        assert bool(attempt.prepare) != bool(surroundings.parameters)
        if surroundings.parameters:
            continue
        words = " ".join(attempt.prepare[0])
        assert "{" not in words
        inserted = {
            f"/root/{name}.ko"
            for word in words.split()
            if word.startswith(("insert=", "block="))
            for name in word.partition("=")[2].split(",")
        }
        assert set(attempt.files) == {GUEST_PATH, *inserted}
        if surroundings.name == "letters":
            assert "comb=3,A" in words


def test_the_other_modules_differ_in_their_data() -> None:
    assert faults_of("large7") == ("section-field:.bss.size=0x300000",)
    assert faults_of("small1") != faults_of("wide1")
    assert faults_of("code14") == ("section-field:.exit.text.align=0x4000",)
    assert len(faults_of("odd0")) == 2
