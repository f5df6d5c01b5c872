"""Results → docs/agreement.md: how often the prediction is right, and every time it is not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pyinsmod.cli.reality import Reality
from pyinsmod.prediction import Prediction
from pyinsmod.text import printable
from tests.agreement.case import KINDS
from tests.agreement.measure import Result

_TITLES = {
    "fault": "single faults",
    "pair": "pairs of faults",
    "mutation": "random mutations",
    "module": "unmodified modules",
}
_LONGEST = 160


class Measured(NamedTuple):
    """All results of one kernel."""

    kernel: str
    release: str
    results: Sequence[Result]


class Row(NamedTuple):
    """The counts of one class of cases on one kernel.

    Attributes:
        cases: how many there were.
        outcome: of how many the outcome was predicted.
        refused: how many of those were refused before init, so that there is an errno to compare.
        errno: of how many of those the errno was predicted.
        undecided: for how many nothing definite was predicted.
        dangerous: how many were promised init and never came to it.
    """

    cases: int
    outcome: int
    refused: int
    errno: int
    undecided: int
    dangerous: int

    @property
    def agreed(self) -> float:
        """The share of cases in which nothing was amiss, in percent."""
        return 100 * (self.outcome - (self.refused - self.errno)) / self.cases if self.cases else 100.0


def counted(results: Iterable[Result]) -> Row:
    """Count results."""
    verdicts = [result.verdict for result in results]
    compared = [verdict.errno for verdict in verdicts if verdict.errno is not None]
    return Row(
        cases=len(verdicts),
        outcome=sum(verdict.outcome for verdict in verdicts),
        refused=len(compared),
        errno=sum(compared),
        undecided=sum(verdict.undecided for verdict in verdicts),
        dangerous=sum(verdict.dangerous for verdict in verdicts),
    )


def markdown(measured: Sequence[Measured], seed: int, date: str) -> str:
    """Return the whole page.

    Args:
        measured: the kernels, in the order they are to stand in.
        seed: what the random cases were made from.
        date: the day of the run.
    """
    return "\n".join((*_head(seed, date), *_counts(measured), *_disagreements(measured), *_understood())) + "\n"


def _head(seed: int, date: str) -> Iterator[str]:
    yield from (
        "# How often the prediction is right",
        "",
        "Written by `make agreement`; do not edit. Each case is a file: a module with one fault or two, one with",
        "random damage, or a module of the distribution as it is. It is predicted from the files of the kernel's",
        "package, then loaded on a fresh machine with that kernel.",
        "",
        f"Date {date}, seed {seed}. The same seed and the same kernel packages make the same files.",
        "",
        "*Outcome* agrees when a file said to reach init reaches it (what init returns is the module's own affair),",
        "one said to be refused is refused before init, one said to crash the kernel does. *Errno* is compared for",
        "those that are refused before init. *Cannot tell* is an honest answer, and is not counted as agreement.",
        "*In vain*: said to reach init, and refused, hung or crashed before: the one mistake that must not be.",
        "",
    )


def _counts(measured: Sequence[Measured]) -> Iterator[str]:
    yield "| kernel | release | class | cases | outcome agrees | errno agrees | cannot tell | in vain | agreement |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for kernel in measured:
        for kind in KINDS:
            row = counted(result for result in kernel.results if result.case.kind == kind)
            if row.cases:
                yield (
                    f"| {kernel.kernel} | {kernel.release} | {_TITLES[kind]} | {row.cases} | {row.outcome} |"
                    f" {row.errno} of {row.refused} | {row.undecided} | {row.dangerous} | {row.agreed:.2f} % |"
                )
    yield ""


def _disagreements(measured: Sequence[Measured]) -> Iterator[str]:
    yield "## Every disagreement"
    yield ""
    for kernel in measured:
        wrong = [result for result in kernel.results if not result.verdict.agrees]
        yield f"### {kernel.kernel} ({kernel.release})"
        yield ""
        if not wrong:
            yield "None."
        else:
            yield "| case | predicted | the kernel's answer | its last line |"
            yield "|---|---|---|---|"
        for result in wrong:
            cells = (result.case.name, said(result.prediction), answered(result.reality), last_line(result.reality))
            yield f"| {' | '.join(map(_cell, cells))} |"
        yield ""


def _understood() -> Iterator[str]:
    """Yield what is known of the kinds of disagreement that are left; which case is of which kind shows its name."""
    yield from (
        "## What is behind them",
        "",
        "*Said to crash the kernel, and loaded or refused.* The file makes the kernel use memory that is not the",
        "module's: a symbol in a section that does not exist (5.10 does not test that), a section name or a relocation",
        "far outside. What stands there is decided when the kernel boots: mostly nothing, and then it crashes;",
        "sometimes somebody else's memory, and then it goes on, or refuses the file for what it found there. The",
        "prediction keeps to the worse: `pyinsmod load` does not ask a kernel that may crash.",
        "",
        "*Cannot tell.* A relocation changes struct module, which the kernel has filled by then: the outcome",
        "depends on values that exist only there.",
        "",
        "*Said to reach init, and hung.* Nothing was seen of init within the time limit of the machine.",
        "",
    )


def said(prediction: Prediction) -> str:
    """Return a prediction in a few words."""
    return " ".join(filter(None, (prediction.outcome, prediction.errno)))


def answered(reality: Reality) -> str:
    """Return the kernel's answer in a few words."""
    reached = ", after init was called" if reality.init_reached and reality.outcome != "loaded" else ""
    return " ".join(filter(None, (reality.outcome, reality.errno))) + reached


def last_line(reality: Reality) -> str:
    """Return what the kernel wrote last, cut to a readable length; of a crash the line that names its kind."""
    kinds = ("BUG:", "Oops:", "general protection", "kernel BUG", "unable to handle")
    telling = [line for line in reality.log if any(kind in line for kind in kinds)]
    line = (telling or [*reality.log] or [""])[0 if telling else -1]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _cell(text: str) -> str:
    """Return text that cannot break out of a table cell, whatever a module is called."""
    return printable(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
