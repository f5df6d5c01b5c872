"""A sample: which cases of each class are loaded when not all are."""

from __future__ import annotations

from tests.agreement.__main__ import sampled
from tests.agreement.case import Case

CASES = [Case(f"{kind}/{number}", b"") for kind in ("fault", "mutation") for number in range(50)]


def names(count: int, seed: int = 3) -> dict[str, list[str]]:
    chosen = [case.name for case in sampled(CASES, count, seed)]
    return {kind: [name for name in chosen if name.startswith(kind)] for kind in ("fault", "mutation")}


def test_a_sample_is_the_beginning_of_a_larger_one() -> None:
    assert all(names(20)[kind][:5] == few for kind, few in names(5).items())


def test_the_seed_decides_and_there_are_no_more_than_there_are() -> None:
    assert names(5) != names(5, seed=4)
    assert {kind: sorted(each) for kind, each in names(80).items()} == {
        kind: sorted(each) for kind, each in names(50).items()
    }
