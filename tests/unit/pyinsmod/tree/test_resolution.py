"""Who needs whom, circles, and what follows when somebody is refused."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from pyinsmod.tree.resolution import cycles, refused_along


def needing(**needs: str) -> Mapping[int, frozenset[int]]:
    return {int(user[1:]): frozenset(map(int, owners.split())) for user, owners in needs.items()}


@pytest.mark.parametrize(
    ("needs", "found"),
    [
        (needing(), []),
        (needing(m1="2", m2="3"), []),
        (needing(m1="2", m2="1"), [[1, 2]]),
        (needing(m1="2", m2="3", m3="1", m4="1"), [[1, 2, 3]]),
        (needing(m1="2", m2="1", m3="4", m4="3", m5="1 3"), [[1, 2], [3, 4]]),
        (needing(m1="2 3", m2="4", m3="4", m4=""), []),
    ],
)
def test_circles(needs: Mapping[int, frozenset[int]], found: list[list[int]]) -> None:
    assert cycles(needs) == found


def test_a_chain_may_be_longer_than_pythons_stack() -> None:
    chain = {number: frozenset({number + 1}) for number in range(20_000)}
    assert cycles(chain) == []
    assert len(refused_along(chain, [20_000])) == 20_000


def test_whoever_needs_a_refused_one_is_told_the_next_one() -> None:
    assert refused_along(needing(m1="2", m2="3", m4="5"), [3]) == {2: 3, 1: 2}


def test_whoever_is_refused_itself_is_not_told() -> None:
    assert refused_along(needing(m1="2"), [1, 2]) == {}
