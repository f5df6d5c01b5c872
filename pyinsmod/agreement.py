"""Prediction and kernel, side by side: do they agree? Pure."""

from __future__ import annotations

from pyinsmod.errno_causes import ONLY_THE_LOADER
from pyinsmod.finding import Finding
from pyinsmod.kernel_messages import recognise
from pyinsmod.lean import Literal, NamedTuple, Sequence
from pyinsmod.prediction import Prediction, decisive_finding

RealOutcome = Literal["loaded", "refused", "crashed-kernel", "hung"]


class Answer(NamedTuple):
    """What a kernel did with a module. `init_reached` is None where nobody watched."""

    outcome: RealOutcome
    errno: str | None = None
    log: tuple[str, ...] = ()
    init_reached: bool | None = None


class Agreement(NamedTuple):
    """Whether they agree (None: the prediction left it open), and both in a few words."""

    agrees: bool | None
    predicted: str
    real: str

    def to_json(self) -> dict[str, object]:
        """Return the object that stands as `agreement` in the JSON output."""
        return {"agrees": self.agrees, "predicted": self.predicted, "real": self.real}


def compare(prediction: Prediction, findings: Sequence[Finding], answer: Answer) -> Agreement:
    """Hold the kernel's answer against the prediction: the outcome, the errno and, where it speaks, the log."""
    judge = {
        "cannot-tell": _left_open,
        "reaches-init": _at_init,
        "crashes-kernel": _at_crash,
        "refused": _at_refusal,
    }[prediction.outcome]
    return Agreement(judge(prediction, findings, answer), in_words(prediction), _real(answer))


def in_words(prediction: Prediction) -> str:
    """Return a prediction as `refused ENOENT at step 9`."""
    outcome = {
        "reaches-init": "reaches init",
        "crashes-kernel": "crashes the kernel",
        "cannot-tell": "cannot tell",
        "refused": "refused",
    }[prediction.outcome]
    errno = f" {prediction.errno}" if prediction.errno else ""
    return outcome + errno + (f" at step {prediction.step}" if prediction.step else "")


def _real(answer: Answer) -> str:
    if answer.outcome != "refused":
        return {"loaded": "loaded", "crashed-kernel": "crashed", "hung": "no answer, it hangs"}[answer.outcome]
    if answer.init_reached:
        return f"its init function returned -{answer.errno}"
    return f"refused {answer.errno}"


def _left_open(_prediction: Prediction, _findings: Sequence[Finding], _answer: Answer) -> bool | None:
    return None


def _at_init(_prediction: Prediction, _findings: Sequence[Finding], answer: Answer) -> bool | None:
    """Compare with a prediction that init is reached: any answer after that agrees, one before it does not."""
    if answer.outcome == "loaded" or answer.init_reached:
        return True
    if answer.outcome == "hung":
        return None
    if answer.init_reached is False or answer.outcome == "crashed-kernel":
        return False
    # Nobody watched: a complaint of the loader's, or an answer only it gives, shows that init was not reached.
    errno = answer.errno or ""
    return errno not in ONLY_THE_LOADER and recognise(answer.log, errno) is None


def _at_crash(_prediction: Prediction, _findings: Sequence[Finding], answer: Answer) -> bool | None:
    return answer.outcome == "crashed-kernel"


def _at_refusal(prediction: Prediction, findings: Sequence[Finding], answer: Answer) -> bool | None:
    if answer.outcome != "refused" or answer.init_reached:
        return False
    if prediction.errno is None:
        return True
    if answer.errno == "ENOSYS" != prediction.errno:  # a kernel without loadable modules: its loader was not asked
        return None
    return prediction.errno == answer.errno and not _for_another_reason(prediction, findings, answer)


def _for_another_reason(prediction: Prediction, findings: Sequence[Finding], answer: Answer) -> bool:
    """Tell whether the log clearly names another fault than the one that was foretold."""
    decisive, said = decisive_finding(findings), recognise(answer.log, answer.errno or "")
    if decisive is None or said is None or prediction.log is None:
        return False
    return said.check != decisive.check and not any(prediction.log in line for line in answer.log)
