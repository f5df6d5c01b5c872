"""Findings → what the kernel will answer first."""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.lean import Literal, NamedTuple, Sequence

Outcome = Literal["reaches-init", "refused", "crashes-kernel", "cannot-tell"]

# simplify_symbols and parse_args go on after an error; the caller gets the errno of the last one. What several checks
# find in one such loop is one group.
LAST_ONE_COUNTS = (
    frozenset({"symbols", "licence", "symbol-versions", "namespaces"}),
    frozenset({"parameters"}),
)


class Prediction(NamedTuple):
    """The kernel's first answer. What init() returns cannot be known: `reaches-init` is the best there is."""

    outcome: Outcome
    errno: str | None = None
    step: int | None = None
    log: str | None = None

    @property
    def bad(self) -> bool:
        """Tell whether the module will certainly not be loaded."""
        return self.outcome in ("refused", "crashes-kernel")

    def to_json(self) -> dict[str, object]:
        """Return the object that stands as `prediction` in the JSON output."""
        return {"outcome": self.outcome, "errno": self.errno, "step": self.step, "log": self.log}


def predict(findings: Sequence[Finding]) -> Prediction:
    """Return the kernel's first answer to findings that stand in the kernel's order.

    A check that cannot tell may be the one that refuses: whatever comes after it is certain to be refused,
    too, but errno, step and log are then known only as far as both agree. In a group whose last one counts it is
    the other way round: a doubt before the last refusal changes nothing, one after it does.
    """
    findings = _without_detours(findings)
    decisive = _decisive(findings)
    doubts = _doubts(findings, decisive)
    if decisive is None:
        return Prediction("cannot-tell") if doubts else Prediction("reaches-init")
    if decisive.severity == "crashes":
        return Prediction("cannot-tell") if doubts else Prediction("crashes-kernel", step=decisive.step)
    if not doubts:
        return Prediction("refused", decisive.errno, decisive.step, decisive.log)
    agreed = {doubt.errno for doubt in doubts} == {decisive.errno}
    return Prediction("refused", decisive.errno if agreed else None)


def decisive_finding(findings: Sequence[Finding]) -> Finding | None:
    """Return the finding whose answer reaches the caller: the first that refuses or crashes, or None."""
    return _decisive(_without_detours(findings))


def _without_detours(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Leave out where the kernel crashes or goes on, if it crashes afterwards in any case."""
    others = [finding for finding in findings if not finding.goes_on]
    if len(others) == len(findings):
        return findings
    decisive = _decisive(others)
    certain = decisive is not None and decisive.severity == "crashes" and not _doubts(others, decisive)
    return others if certain else findings


def _decisive(findings: Sequence[Finding]) -> Finding | None:
    fatal = [finding for finding in findings if finding.severity in ("refuses", "crashes")]
    if not fatal:
        return None
    group = _group(fatal[0].check)
    if group is None:
        return fatal[0]
    together = [finding for finding in fatal if finding.check in group]
    # A crash ends the loop there and then.
    return next((finding for finding in together if finding.severity == "crashes"), together[-1])


def _group(check: str) -> frozenset[str] | None:
    return next((group for group in LAST_ONE_COUNTS if check in group), None)


def _doubts(findings: Sequence[Finding], decisive: Finding | None) -> list[Finding]:
    """Return the findings that leave it open whether the decisive one decides."""
    doubts = [(place, finding) for place, finding in enumerate(findings) if finding.severity == "cannot-tell"]
    if decisive is None:
        return [finding for _, finding in doubts]
    last = max(place for place, finding in enumerate(findings) if finding == decisive)
    group = _group(decisive.check) if decisive.severity == "refuses" else None
    return [
        finding
        for place, finding in doubts
        if (place > last if group is not None and finding.check in group else place < last)
    ]
