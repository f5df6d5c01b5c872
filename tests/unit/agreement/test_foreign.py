"""The part of the page about foreign kernels: what is counted, and that the rest of the page is left alone."""

from __future__ import annotations

from typing import NamedTuple

from pyinsmod.cli.reality import Reality
from pyinsmod.prediction import Prediction
from pyinsmod.tree.results import ModuleResult
from tests.agreement.case import Case
from tests.agreement.foreign import BEGINNING, Foreign, Own, drawn, section, section_of, with_section
from tests.agreement.judge import judged
from tests.agreement.measure import Result


class Kernel(NamedTuple):
    name: str
    release: str


REACHES, REFUSED = Prediction("reaches-init", None, None, None), Prediction("refused", "ENOEXEC", 7, None)


def result(name: str, prediction: Prediction, outcome: str, errno: str | None = None) -> Result:
    reality = Reality(outcome, errno, ("the last line",), init_reached=outcome == "loaded")  # type: ignore[arg-type]  # text
    return Result(Case(f"foreign/{name}", b""), prediction, reality, judged(prediction, reality))


def test_what_is_counted() -> None:
    own = [Own("6.1", [ModuleResult("a.ko", "a", "6.1", REACHES), ModuleResult("b.ko", "b", "6.1", REFUSED)])]
    results = [
        result("good", REACHES, "loaded"),
        result("strange", REFUSED, "refused", "ENOEXEC"),
        result("other", REFUSED, "refused", "EINVAL"),
        result("vain", REACHES, "refused", "ENOEXEC"),
    ]
    lines = section(own, [Foreign("6.12", "6.12.1", results, 5)], 3, "2026-01-01").splitlines()
    assert "| 6.1 | 2 | 1 | 1 | 0 |" in lines
    assert "| 6.12 | 6.12.1 | 5 | 4 | 3 | 1 of 2 | 1 | 0 | 1 |" in lines
    wrong = [line for line in lines if line.startswith("| 6.12 | ") and "the last line" in line]
    assert [line.split(" | ")[1] for line in wrong] == ["other", "vain"]


def test_nothing_loaded_is_no_agreement() -> None:
    assert "Nothing was loaded." in section([], [Foreign("6.12", "6.12.1", [], 5)], 3, "2026-01-01")


def test_the_rest_of_the_page_stays_as_it_is() -> None:
    page = "# Page\n\ntable\n"
    once = with_section(page, f"{BEGINNING}\n\none\n")
    assert once == f"{page}\n{BEGINNING}\n\none\n"
    assert with_section(once, f"{BEGINNING}\n\ntwo\n") == f"{page}\n{BEGINNING}\n\ntwo\n"
    assert section_of(once) == f"{BEGINNING}\n\none\n"
    assert section_of(page) == ""


def test_a_sample_is_the_beginning_of_the_whole() -> None:
    assert drawn(3, 20) == drawn(3, 40)[:20]
    assert drawn(3, 20) != drawn(4, 20)


def test_what_gave_no_answer_is_passed_over_and_named() -> None:
    cases = [Case(f"foreign/{name}", b"") for name in ("one", "needs_a_device", "two", "spare")]
    answered = [result(name, REFUSED, "refused", "ENOEXEC") for name in ("one", "two", "spare")]
    found = Foreign.of(Kernel("6.12", "6.12.1"), cases, answered, 2)
    assert [each.case.name for each in found.results] == ["foreign/one", "foreign/two"]
    assert found.without == ["needs_a_device"]
    assert "finds no device there: needs_a_device." in section([], [found], 3, "2026-01-01")
