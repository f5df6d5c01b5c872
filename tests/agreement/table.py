"""Results → docs/agreement.md: how often the prediction is right, and every time it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from textwrap import wrap
from typing import NamedTuple

from pyinsmod.cli.reality import Reality
from pyinsmod.prediction import Prediction
from pyinsmod.text import printable
from tests.agreement.case import KINDS
from tests.agreement.measure import Result
from tests.agreement.reasons import NEIGHBOURS, Reason, reason_of
from tests.agreement.shaken import all_answers, shaken_lines

_TITLES = {
    "fault": "single faults",
    "pair": "pairs of faults",
    "mutation": "random mutations",
    "module": "unmodified modules",
}
_LONGEST, _WIDTH = 160, 118


class Measured(NamedTuple):
    """All results of one kernel.

    Attributes:
        wanted: how many cases there are of each class, loaded or not.
        absent: faults that its modules cannot have: class and reason, and how many.
    """

    kernel: str
    release: str
    results: Sequence[Result]
    wanted: Mapping[str, int] = {}
    absent: Mapping[tuple[str, str], int] = {}


class Row(NamedTuple):
    """The counts of one class of cases on one kernel.

    Attributes:
        cases: how many there were.
        outcome: of how many the outcome was predicted.
        refused: how many of those were refused before init, so that there is an errno to compare.
        errno: of how many of those the errno was predicted.
        undecided: for how many nothing definite was predicted.
        shown: how many of those were seen to be answered in different ways.
        dangerous: how many were promised init and never came to it.
    """

    cases: int
    outcome: int
    refused: int
    errno: int
    undecided: int
    shown: int
    dangerous: int

    @property
    def true(self) -> int:
        """In how many something definite was predicted, and came true."""
        return self.outcome - (self.refused - self.errno)

    @property
    def agreed(self) -> float:
        """The share of cases in which the prediction was the right one, in percent."""
        return _share(self.true + self.shown, self.cases)

    @property
    def told(self) -> float:
        """The share of predictions that came true among the definite ones, in percent."""
        return _share(self.true, self.cases - self.undecided)


def _share(some: int, of: int) -> float:
    return 100 * some / of if of else 100.0


def counted(results: Iterable[Result]) -> Row:
    """Count results."""
    results = list(results)
    verdicts = [result.verdict for result in results]
    compared = [verdict.errno for verdict in verdicts if verdict.errno is not None]
    return Row(
        cases=len(verdicts),
        outcome=sum(verdict.outcome for verdict in verdicts),
        refused=len(compared),
        errno=sum(compared),
        undecided=sum(verdict.undecided for verdict in verdicts),
        shown=sum(result.shown for result in results),
        dangerous=sum(verdict.dangerous for verdict in verdicts),
    )


def markdown(measured: Sequence[Measured], seed: int, date: str, where: str = "") -> str:
    """Return the whole page.

    Args:
        measured: the kernels, in the order they are to stand in.
        seed: what the random cases were made from.
        date: the day of the run.
        where: the paragraph about the machine and its versions.
    """
    parts = (
        _head(seed, date),
        (where,) if where else (),
        _counts(measured),
        _absent(measured),
        _disagreements(measured),
        _reasons(measured),
    )
    return "\n".join((*chain(*parts), *shaken_lines([kernel.results for kernel in measured]))) + "\n"


_HEAD = """\
# How often the prediction is right

Written by `make agreement`; do not edit. Each case is a file: a module with one fault or two, one with random
damage, or a module of the distribution as it is. It is predicted from the files of the kernel's package, then
loaded on a fresh machine with that kernel.

Date {date}, seed {seed}. The same seed and the same kernel packages make the same files. Where not all cases of a
class are loaded yet the page says how many there are: a sample, chosen by the seed.

*Outcome* agrees when a file said to reach init reaches it (what init returns is the module's own affair), one said
to be refused is refused before init, one said to crash the kernel does. *Errno* is compared for those that are
refused before init. *In vain*: said to reach init, and refused, hung or crashed before: the one mistake that must
not be.

*Cannot tell* is an honest answer. A file of which nothing definite is told because of what stands in the kernel's
memory is loaded again and again, each time on a fresh machine whose memory was filled in another way before.
*Undetermined, shown*: the kernel answered the very same file in different ways, so that nothing definite said of
the file can be right, and `cannot-tell` is. Where its answers were never seen to differ, it counts as no agreement.

*Agreement* is the share of all cases in which the right thing was predicted, those that were shown to be
undetermined among them. Whoever wants to count them as no agreement takes their number off: (agreement × cases -
shown) / cases. *Of those told* is the share of the definite predictions that came true.
"""


def _head(seed: int, date: str) -> Iterator[str]:
    yield _HEAD.format(seed=seed, date=date)


def _counts(measured: Sequence[Measured]) -> Iterator[str]:
    told = "cannot tell | undetermined, shown | in vain | agreement | of those told"
    yield f"| kernel | release | class | cases | outcome agrees | errno agrees | {told} |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for kernel in measured:
        for kind in KINDS:
            row = counted(result for result in kernel.results if result.case.kind == kind)
            wanted = kernel.wanted.get(kind, 0)
            cases = f"{row.cases} of {wanted}" if wanted > row.cases else f"{row.cases}"
            if row.cases:
                yield (
                    f"| {kernel.kernel} | {kernel.release} | {_TITLES[kind]} | {cases} | {row.outcome} |"
                    f" {row.errno} of {row.refused} | {row.undecided} | {row.shown} | {row.dangerous} |"
                    f" {row.agreed:.2f} % | {row.told:.2f} % |"
                )
    yield ""


def _absent(measured: Sequence[Measured]) -> Iterator[str]:
    """Yield which faults each kernel's modules cannot have."""
    if not any(kernel.absent for kernel in measured):
        return
    yield "A kernel has fewer single faults and pairs than another where its modules cannot have the fault:"
    yield ""
    yield "| kernel | class | faults | why not |"
    yield "|---|---|---|---|"
    for kernel in measured:
        for (kind, why), count in kernel.absent.items():
            yield f"| {kernel.kernel} | {_TITLES[kind]} | {count} | {cell(why)} |"
    yield ""


def _disagreements(measured: Sequence[Measured]) -> Iterator[str]:
    yield "## Every case without a definite prediction, or without the right one"
    yield ""
    for kernel in measured:
        wrong = [result for result in kernel.results if not result.verdict.agrees]
        yield f"### {kernel.kernel} ({kernel.release})"
        yield ""
        if not wrong:
            yield "None."
        else:
            yield "| case | predicted | the kernel's answers | verdict | reason | the last line of the first answer |"
            yield "|---|---|---|---|---|---|"
        for result in wrong:
            reason = reason_of(result.prediction, result.because).name
            answers, line = all_answers(result), last_line(result.reality)
            cells = (result.case.name, said(result.prediction), answers, _verdict(result), reason, line)
            yield f"| {' | '.join(map(cell, cells))} |"
        yield ""


def _verdict(result: Result) -> str:
    if result.shown:
        return "undetermined, shown"
    return "cannot tell" if result.verdict.undecided else "wrong"


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


def last_line(reality: Reality) -> str:
    """Return what the kernel wrote last, cut to a readable length; of a crash the line that names its kind."""
    kinds = ("BUG:", "Oops:", "general protection", "kernel BUG", "unable to handle")
    telling = [line for line in reality.log if any(kind in line for kind in kinds)]
    line = (telling or [*reality.log] or [""])[0 if telling else -1]
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def cell(text: str) -> str:
    """Return text that cannot break out of a table cell, whatever a module is called."""
    return printable(text).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "\\`")
