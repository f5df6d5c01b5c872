"""One case: what is predicted, and whether the kernel's answer agrees with it."""

from __future__ import annotations

from typing import NamedTuple

from pyinsmod.checks import run_checks
from pyinsmod.cli.reality import Reality
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.kernel_facts.loaded_modules import facts_with_loaded
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import read_image
from pyinsmod.prediction import Prediction, decisive_finding, predict
from tests.agreement.case import Case


class Verdict(NamedTuple):
    """Whether prediction and reality agree.

    Attributes:
        outcome: whether they agree on what becomes of the module.
        errno: whether they agree on the errno; None when there is none to agree on.
        undecided: whether nothing definite was predicted.
        dangerous: whether init was promised to a module that was refused, or that crashed the kernel, before it.
    """

    outcome: bool
    errno: bool | None
    undecided: bool
    dangerous: bool

    @property
    def agrees(self) -> bool:
        """Tell whether nothing is amiss."""
        return self.outcome and self.errno is not False


class Predictor:
    """The facts of a kernel, and of the same kernel with modules loaded, by what is loaded."""

    def __init__(self, known: OtherKernel) -> None:
        self._known = known
        self._with: dict[tuple[str, ...], KernelFacts] = {}

    def findings(self, case: Case) -> tuple[Finding, ...]:
        """Return what the checks find; a file that cannot even be read is one of which nothing can be told."""
        try:
            image = read_image(case.content)
        except MalformedModule as error:
            return (Finding("file", 3, "cannot-tell", str(error)),)
        as_it_is = case.syscall == "finit_module" and image.compression is not None
        request = LoadRequest(case.parameters, compressed=as_it_is)
        found = run_checks(image, self._facts(case.first), request)
        return tuple(finding.for_file(case.name, image.known_name) for finding in found)

    def prediction(self, case: Case) -> tuple[Prediction, Finding | None]:
        """Return what is predicted for a case, and the finding that decides it or leaves it open."""
        findings = self.findings(case)
        prediction = predict(findings)
        doubt = next((finding for finding in findings if finding.severity == "cannot-tell"), None)
        return prediction, doubt if prediction.outcome == "cannot-tell" else decisive_finding(findings)

    def _facts(self, first: tuple[str, ...]) -> KernelFacts:
        if self._known.tree is None or not first:
            return self._known.facts
        if first not in self._with:
            self._with[first] = facts_with_loaded(self._known.facts, self._known.tree, first)
        return self._with[first]


def judged(predicted: Prediction, real: Reality) -> Verdict:
    """Hold a prediction against the kernel's answer.

    Once init is reached, all that happens is the module's own doing: nothing of it is compared.
    """
    if predicted.outcome == "cannot-tell":
        return Verdict(False, None, True, False)
    reached = real.outcome == "loaded" or real.init_reached
    if predicted.outcome == "reaches-init":
        return Verdict(reached, None, False, not reached)
    if predicted.outcome == "crashes-kernel":
        return Verdict(not reached and real.outcome in ("crashed-kernel", "hung"), None, False, False)
    refused = not reached and real.outcome == "refused"
    return Verdict(refused, predicted.errno == real.errno if refused else None, False, False)


def answer_of(real: Reality) -> tuple[str, str | None]:
    """Return the answer that a right prediction would have named: an outcome, of a refusal with its errno."""
    if real.outcome == "loaded" or real.init_reached:
        return "reaches-init", None
    return ("refused", real.errno) if real.outcome == "refused" else ("crashes-kernel", None)
