"""Results → docs/agreement.md: how often the prediction is right, and every time it is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from textwrap import wrap
from typing import NamedTuple

from pyinsmod.cli.reality import Reality
from pyinsmod.prediction import Prediction
from pyinsmod.text import printable
from tests.agreement.case import KINDS
from tests.agreement.kept import ABSENT, CASES, COUNTS, absent_of, cases_of, counts_of, run_of
from tests.agreement.kept import NAMES as _TITLES
from tests.agreement.measure import Result
from tests.agreement.page import Measured, Page
from tests.agreement.reasons import NEIGHBOURS, Reason, reason_named, reason_of
from tests.agreement.shaken import HEADING, all_answers, shaken_head, shaken_lines

_LONGEST, _WIDTH = 160, 118


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


def markdown(
    measured: Sequence[Measured],
    seed: int,
    date: str,
    where: str = "",
    before: str = "",
    order: Sequence[str] = (),
) -> str:
    """Return the whole page.

    Args:
        measured: the kernels that were run.
        seed: what the random cases were made from.
        date: the day of the run.
        where: the paragraph about the machine and its versions.
        before: the page as it is: what it says of other kernels and classes stays, if it is of the same seed.
        order: the kernels' names, in the order they are to stand in; others come after them.
    """
    alike = f"seed {seed}." in before and f"\n{COUNTS}" in before
    page = Page(measured, date, order, before if alike else "")
    parts = (_head(seed), _counts(page), _absent(page), _runs(page, where), _disagreements(page), _reasons(page))
    return "\n".join((*chain(*parts), *_shaken(page))) + "\n"


_HEAD = """\
# How often the prediction is right

Written by `make agreement`; do not edit. Each case is a file: a module with one fault or two, one with random
damage, or a module of the distribution as it is. It is predicted from the files of the kernel's package, then
loaded on a fresh machine with that kernel.

All of it is made from seed {seed}. The same seed and the same kernel packages make the same files. Where not all cases
of a class are loaded yet the page says how many there are: a sample, chosen by the seed. A row stands as it was found
on its day: a kernel or a class can be run again without the others.

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


def _head(seed: int) -> Iterator[str]:
    yield _HEAD.format(seed=seed)


def _counts(page: Page) -> Iterator[str]:
    told = "cannot tell | undetermined, shown | in vain | agreement | of those told"
    yield f"{COUNTS} class | cases | outcome agrees | errno agrees | {told} |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|---|"
    rows = {(row.kernel, row.kind): row.line() for row in counts_of(page.before, page.run)}
    for kernel in page.measured:
        for kind in KINDS:
            row = counted(result for result in kernel.results if result.case.kind == kind)
            if row.cases:
                rows[kernel.kernel, kind] = _row(kernel, page.date, kind, row)
    yield from (rows[name, kind] for name in page.kernels for kind in KINDS if (name, kind) in rows)
    yield ""


def _row(kernel: Measured, date: str, kind: str, row: Row) -> str:
    wanted = kernel.wanted.get(kind, 0)
    cases = f"{row.cases} of {wanted}" if wanted > row.cases else f"{row.cases}"
    return (
        f"| {kernel.kernel} | {kernel.release} | {date} | {_TITLES[kind]} | {cases} | {row.outcome} |"
        f" {row.errno} of {row.refused} | {row.undecided} | {row.shown} | {row.dangerous} |"
        f" {row.agreed:.2f} % | {row.told:.2f} % |"
    )


def _absent(page: Page) -> Iterator[str]:
    """Yield which faults each kernel's modules cannot have."""
    rows = [(row.kernel, row.line()) for row in absent_of(page.before, page.names)]
    for kernel in page.measured:
        for (kind, why), count in kernel.absent.items():
            rows.append((kernel.kernel, f"| {kernel.kernel} | {_TITLES[kind]} | {count} | {cell(why)} |"))
    if not rows:
        return
    yield "A kernel has fewer single faults and pairs than another where its modules cannot have the fault:"
    yield ""
    yield f"{ABSENT} faults | why not |"
    yield "|---|---|---|---|"
    yield from (line for name in page.kernels for kernel, line in rows if kernel == name)
    yield ""


_RUNS = "## The runs"


def _runs(page: Page, where: str) -> Iterator[str]:
    yield _RUNS
    yield ""
    for each in page.runs(_RUNS):
        yield from (each, "")
    if page.measured:
        yield f"{run_of(page.date, page.names)}\n{where}"


def _disagreements(page: Page) -> Iterator[str]:
    yield "## Every case without a definite prediction, or without the right one"
    yield ""
    for name, release in page.kernels.items():
        rows = [row.line() for row in cases_of(page.before, page.run) if row.kernel == name]
        rows += [_listed(result) for kernel in page.measured if kernel.kernel == name for result in _wrong(kernel)]
        yield f"### {name} ({release})"
        yield ""
        if rows:
            yield f"{CASES} the kernel's answers | verdict | reason | the last line of the first answer |"
            yield "|---|---|---|---|---|---|"
        yield from rows or ("None.",)
        yield ""


def _wrong(kernel: Measured) -> list[Result]:
    return [result for result in kernel.results if not result.verdict.agrees]


def _listed(result: Result) -> str:
    reason = reason_of(result.prediction, result.because).name
    answers, line = all_answers(result), last_line(result.reality)
    cells = (result.case.name, said(result.prediction), answers, _verdict(result), reason, line)
    return f"| {' | '.join(map(cell, cells))} |"


def _verdict(result: Result) -> str:
    if result.shown:
        return "undetermined, shown"
    return "cannot tell" if result.verdict.undecided else "wrong"


def _reasons(page: Page) -> Iterator[str]:
    """Yield each reason once, with how the kernels answered in such cases."""
    found: dict[Reason, Counter[tuple[str, str]]] = {}
    for row in cases_of(page.before, page.run):
        found.setdefault(reason_named(row.cells[4]), Counter())[row.kernel, row.cells[2].split()[0].rstrip(",")] += 1
    for kernel in page.measured:
        for result in _wrong(kernel):
            counts = found.setdefault(reason_of(result.prediction, result.because), Counter())
            counts[kernel.kernel, result.reality.outcome] += 1
    if not found:
        return
    yield "## What is behind them"
    yield ""
    yield f"| reason | {' | '.join(page.kernels)} |"
    yield f"|---|{'---|' * len(page.kernels)}"
    for reason, counts in found.items():
        cells = (", ".join(_answers(counts, kernel)) for kernel in page.kernels)
        yield f"| {reason.name} | {' | '.join(cells)} |"
    yield ""
    yield from (*wrap(NEIGHBOURS, _WIDTH), "")
    for reason in found:
        yield from (*wrap(f"*{reason.name.capitalize()}.* {reason.text}", _WIDTH), "")


def _shaken(page: Page) -> Iterator[str]:
    """Yield how the memory was filled: of each run by itself, as its counts are of all its kernels together."""
    kept, lines = page.runs(HEADING), list(shaken_lines([kernel.results for kernel in page.measured]))
    if not kept and not lines:
        return
    yield from shaken_head()
    for each in kept:
        yield from (each, "")
    if lines:
        yield run_of(page.date, page.names)
        yield from lines


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
