"""Results → docs/agreement.md: how often the prediction is right, and every time it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap
from typing import NamedTuple

from pyinsmod.cli.reality import Reality
from pyinsmod.prediction import Prediction
from pyinsmod.text import printable
from tests.agreement.case import KINDS
from tests.agreement.measure import Result
from tests.agreement.reasons import NEIGHBOURS, Reason, reason_of

_TITLES = {
    "fault": "single faults",
    "pair": "pairs of faults",
    "mutation": "random mutations",
    "module": "unmodified modules",
}
_LONGEST, _WIDTH = 160, 118


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
        return self._share(self.cases)

    @property
    def told(self) -> float:
        """The same share of the cases in which something definite was predicted, in percent."""
        return self._share(self.cases - self.undecided)

    def _share(self, cases: int) -> float:
        return 100 * (self.outcome - (self.refused - self.errno)) / cases if cases else 100.0


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
    return "\n".join((*_head(seed, date), *_counts(measured), *_disagreements(measured), *_reasons(measured))) + "\n"


def _head(seed: int, date: str) -> Iterator[str]:
    yield from (
        "# How often the prediction is right",
        "",
        "Written by `make agreement`; do not edit. Each case is a file: a module with one fault or two, one with",
        "random damage, or a module of the distribution as it is. It is predicted from the files of the kernel's",
        "package, then loaded on a fresh machine with that kernel.",
        "",
        f"Date {date}, seed {seed}. The same seed and the same kernel packages make the same files. Where a",
        "kernel has fewer cases of a class than others, the rest is not loaded yet: a sample, chosen by the seed.",
        "",
        "*Outcome* agrees when a file said to reach init reaches it (what init returns is the module's own affair),",
        "one said to be refused is refused before init, one said to crash the kernel does. *Errno* is compared for",
        "those that are refused before init. *Cannot tell* is an honest answer, and no agreement: *agreement* is the",
        "share of all cases, *of those told* the share of those in which something definite was predicted.",
        "*In vain*: said to reach init, and refused, hung or crashed before: the one mistake that must not be.",
        "",
    )


def _counts(measured: Sequence[Measured]) -> Iterator[str]:
    titles = "cases | outcome agrees | errno agrees | cannot tell | in vain | agreement | of those told"
    yield f"| kernel | release | class | {titles} |"
    yield "|---|---|---|---|---|---|---|---|---|---|"
    for kernel in measured:
        for kind in KINDS:
            row = counted(result for result in kernel.results if result.case.kind == kind)
            if row.cases:
                yield (
                    f"| {kernel.kernel} | {kernel.release} | {_TITLES[kind]} | {row.cases} | {row.outcome} |"
                    f" {row.errno} of {row.refused} | {row.undecided} | {row.dangerous} | {row.agreed:.2f} % |"
                    f" {row.told:.2f} % |"
                )
    yield ""


def _disagreements(measured: Sequence[Measured]) -> Iterator[str]:
    yield "## Every case without agreement"
    yield ""
    for kernel in measured:
        wrong = [result for result in kernel.results if not result.verdict.agrees]
        yield f"### {kernel.kernel} ({kernel.release})"
        yield ""
        if not wrong:
            yield "None."
        else:
            yield "| case | predicted | the kernel's answer | reason | its last line |"
            yield "|---|---|---|---|---|"
        for result in wrong:
            reason = reason_of(result.prediction, result.because).name
            answer, line = answered(result.reality), last_line(result.reality)
            cells = (result.case.name, said(result.prediction), answer, reason, line)
            yield f"| {' | '.join(map(cell, cells))} |"
        yield ""


def _reasons(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield each reason once, with how the kernels answered in such cases."""
    found: dict[Reason, Counter[tuple[str, str]]] = {}
    for kernel in measured:
        for result in kernel.results:
            if not result.verdict.agrees:
                counts = found.setdefault(reason_of(result.prediction, result.because), Counter())
                counts[kernel.kernel, result.reality.outcome] += 1
    if not found:
        return
    yield "## What is behind them"
    yield ""
    yield f"| reason | {' | '.join(kernel.kernel for kernel in measured)} |"
    yield f"|---|{'---|' * len(measured)}"
    for reason, counts in found.items():
        cells = (", ".join(_answers(counts, kernel.kernel)) for kernel in measured)
        yield f"| {reason.name} | {' | '.join(cells)} |"
    yield ""
    yield from (*wrap(NEIGHBOURS, _WIDTH), "")
    for reason in found:
        yield from (*wrap(f"*{reason.name.capitalize()}.* {reason.text}", _WIDTH), "")


def _answers(counts: Counter[tuple[str, str]], kernel: str) -> Iterator[str]:
    return (f"{count} {outcome}" for (name, outcome), count in sorted(counts.items()) if name == kernel)


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


def cell(text: str) -> str:
    """Return text that cannot break out of a table cell, whatever a module is called."""
    return printable(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
