"""The order in which a document tells what happens is a claim of its own, made from the document itself.

Each moment says how it is recognised: by a record (`seen`), by a fault the kernel complains of then (`faults`), or by
both. Of every two that follow each other in the document, a trace tells which came first, and so does a module
with both faults: the kernel complains of the one it comes to first. Whoever writes the steps in another order
gets other claims.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tracer.claims.model import DEFAULT_FILE, Claim, ClaimTest, Experiment
from tracer.selectors import Selector

MODULE_CALL: Selector = {
    "type": "syscall",
    "name": ["init_module", "finit_module"],
    "errno": {"exists": True},
}


class Moment(NamedTuple):
    """One of the things that happen one after the other.

    Attributes:
        id: stable name.
        quote: where the document tells it.
        says: in words, without a number.
        place: where the quote stands in the text; None when it does not.
        step: the step's number there.
        experiment: whose records show it.
        seen: the record by which it is recognised, or None.
        faults: what is wrong with a module that the kernel refuses then.
        init: or what its init function does then.
        preparations: or what has to be the case for it.
        complains: what is seen when it does.
    """

    id: str
    quote: str
    says: str
    place: int | None
    step: int | None
    experiment: str
    seen: Selector | None
    faults: tuple[str, ...]
    init: Mapping[str, Any]
    preparations: tuple[str, ...]
    complains: tuple[Selector, ...]

    @property
    def label(self) -> str:
        """What a report calls it."""
        return self.says if self.step is None else f"step {self.step} ({self.says})"

    @property
    def can_fail(self) -> bool:
        """Tell whether a module can be made that the kernel refuses at this moment."""
        return bool(self.complains) and bool(self.faults or self.init or self.preparations)


class Ordered(NamedTuple):
    """Claims about the order, and the experiments they need."""

    claims: list[Claim]
    experiments: dict[str, Experiment]


def ordered_claims(moments: Sequence[Moment]) -> Ordered:
    """Return a claim for every two neighbours in the document, and one for all that a trace shows."""
    claims = [_missing(moment) for moment in moments if moment.place is None]
    told = sorted((moment for moment in moments if moment.place is not None), key=lambda one: one.place or 0)
    experiments: dict[str, Experiment] = {}
    for earlier, later in itertools.pairwise(told):
        tests = [*_by_trace(earlier, later), *_by_faults(earlier, later, experiments)]
        if tests:
            says = f"{earlier.label} comes before {later.label}"
            claims.append(Claim(f"order-{earlier.id}-{later.id}", None, None, later.quote, says, tuple(tests)))
    return Ordered(claims + _whole_order(told), experiments)


def _missing(moment: Moment) -> Claim:
    problem = f"the document does not say {moment.quote!r} (any more), so its place in the order is unknown"
    return Claim(f"order-{moment.id}", None, None, moment.quote, f"where in the order: {moment.says}", (), problem)


def _by_trace(earlier: Moment, later: Moment) -> list[ClaimTest]:
    if earlier.seen is None or later.seen is None or earlier.experiment != later.experiment:
        return []
    labels = (earlier.label, later.label)
    return [ClaimTest(earlier.experiment, order=(earlier.seen, later.seen), labels=labels, optional=True)]


def _by_faults(earlier: Moment, later: Moment, experiments: dict[str, Experiment]) -> list[ClaimTest]:
    if not (earlier.can_fail and later.can_fail):
        return []
    alone = _experiment(f"fault-{later.id}", (later,), experiments)
    both = _experiment(f"faults-{earlier.id}-{later.id}", (earlier, later), experiments)
    last = later.complains[-1]
    return [
        ClaimTest(
            both,
            given=(MODULE_CALL,),
            given_any=(earlier.complains[-1], last),
            see=earlier.complains,
            never=(last,),
        ),
        # Without the earlier fault the later one does show: so the other outcome was possible.
        ClaimTest(alone, given=later.complains, see=later.complains),
    ]


def _experiment(name: str, moments: Sequence[Moment], experiments: dict[str, Experiment]) -> str:
    module: dict[str, Any] = {"faults": [fault for moment in moments for fault in moment.faults]}
    for moment in moments:
        if moment.init:
            module["init"] = dict(moment.init)
    about = "a module with faults of two kinds: " if len(moments) > 1 else "a module with the fault of one moment: "
    experiments[name] = Experiment(
        name,
        about=about + " and ".join(moment.says for moment in moments),
        modules={DEFAULT_FILE: module},
        preparations=tuple(name for moment in moments for name in moment.preparations),
        refused=True,
        kernel_only=True,
    )
    return name


def _whole_order(told: Sequence[Moment]) -> list[Claim]:
    by_experiment: dict[str, list[Moment]] = {}
    for moment in told:
        if moment.seen is not None:
            by_experiment.setdefault(moment.experiment, []).append(moment)
    claims = []
    for experiment, moments in by_experiment.items():
        if len(moments) > 2:
            order = tuple(moment.seen for moment in moments if moment.seen is not None)
            labels = tuple(moment.label for moment in moments)
            test = ClaimTest(experiment, order=order, labels=labels, optional=True)
            says = "all this happens in the order in which the document tells it"
            claims.append(Claim(f"order-of-{experiment}", None, None, moments[0].quote, says, (test,)))
    return claims
