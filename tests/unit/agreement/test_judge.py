"""When a prediction counts as right."""

from __future__ import annotations

import pytest

from pyinsmod.cli.reality import Reality
from pyinsmod.prediction import Prediction
from tests.agreement.judge import Verdict, judged

LOADED = Reality("loaded", init_reached=True)
NO_INIT = Reality("loaded", init_reached=False)
REFUSED = Reality("refused", "ENOEXEC")
REFUSED_BY_INIT = Reality("refused", "ENODEV", init_reached=True)
CRASHED = Reality("crashed-kernel")
CRASHED_BY_INIT = Reality("crashed-kernel", init_reached=True)
HUNG = Reality("hung")

AGREED = Verdict(outcome=True, errno=None, undecided=False, dangerous=False)
WRONG = AGREED._replace(outcome=False)
DANGEROUS = WRONG._replace(dangerous=True)


@pytest.mark.parametrize(
    ("predicted", "real", "verdict"),
    [
        (Prediction("reaches-init"), LOADED, AGREED),
        (Prediction("reaches-init"), NO_INIT, AGREED),
        (Prediction("reaches-init"), REFUSED_BY_INIT, AGREED),
        (Prediction("reaches-init"), CRASHED_BY_INIT, AGREED),
        (Prediction("reaches-init"), REFUSED, DANGEROUS),
        (Prediction("reaches-init"), CRASHED, DANGEROUS),
        (Prediction("reaches-init"), HUNG, DANGEROUS),
        (Prediction("refused", "ENOEXEC"), REFUSED, AGREED._replace(errno=True)),
        (Prediction("refused", "EINVAL"), REFUSED, AGREED._replace(errno=False)),
        (Prediction("refused", None), REFUSED, AGREED._replace(errno=False)),
        (Prediction("refused", "ENODEV"), REFUSED_BY_INIT, WRONG),
        (Prediction("refused", "ENOEXEC"), LOADED, WRONG),
        (Prediction("refused", "ENOEXEC"), CRASHED, WRONG),
        (Prediction("crashes-kernel"), CRASHED, AGREED),
        (Prediction("crashes-kernel"), HUNG, AGREED),
        (Prediction("crashes-kernel"), CRASHED_BY_INIT, WRONG),
        (Prediction("crashes-kernel"), REFUSED, WRONG),
        (Prediction("cannot-tell"), REFUSED, WRONG._replace(undecided=True)),
        (Prediction("cannot-tell"), LOADED, WRONG._replace(undecided=True)),
    ],
    ids=lambda value: " ".join(filter(None, map(str, value[:2]))) if isinstance(value, Prediction) else None,
)
def test_a_prediction_is_held_against_the_answer(predicted: Prediction, real: Reality, verdict: Verdict) -> None:
    assert judged(predicted, real) == verdict


def test_only_full_agreement_agrees() -> None:
    assert AGREED.agrees
    assert AGREED._replace(errno=True).agrees
    assert not AGREED._replace(errno=False).agrees
    assert not DANGEROUS.agrees
