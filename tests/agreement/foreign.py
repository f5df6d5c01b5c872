"""Modules of the distribution on their own kernel, all of them predicted, and on foreign kernels, some loaded for real.

The generic kernel's modules on the cloud kernel of the same source are near relatives, on another version they are
strangers. Answers are kept, so that an interrupted run goes on where it was.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from benchmarks.generic_kernel import generic_kernel
from pyinsmod.cli.kernels import kernel_named
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.module_image import read_image
from pyinsmod.tree.found import modules_below
from pyinsmod.tree.results import ModuleResult
from pyinsmod.tree.tree_check import TreeCheck
from tests.agreement.case import Case
from tests.agreement.cases import Bench
from tests.agreement.measure import Result
from tests.agreement.shaken import answered
from tests.agreement.table import cell, counted, last_line, said
from vm.cache import cache_root
from vm.kernel_store import fetch

DRAWN = 300
# Some depend on a module of the foreign kernel that finds no hardware and goes: their place is taken by these.
SPARE = 10
FOREIGN = ("6.1", "6.12")
CLOUD = ("5.10", "6.1", "6.12", "7.2", "5.10-arm64", "6.1-arm64", "6.12-arm64", "7.2-arm64", "6.12-riscv64")
BEGINNING = "## Modules of the distribution on their own kernel, and on foreign ones"


class Own(NamedTuple):
    """What is predicted of all modules of a kernel on itself."""

    kernel: str
    results: Sequence[ModuleResult]


def own_predictions() -> Iterator[Own]:
    """Predict every module of the generic kernel and of the cloud kernels on its own kernel."""
    roots = {"generic 6.1": (str(generic_kernel()), str(generic_kernel()))}
    roots |= {name: (str(fetch(name).root), name) for name in CLOUD}
    for title, (root, kernel) in roots.items():
        check = TreeCheck(modules_below(root), [kernel_named(kernel)], FactsCache(str(cache_root() / "facts")))
        yield Own(title, list(check.run()))


def drawn(seed: int, count: int = DRAWN) -> list[Path]:
    """Return modules of the generic kernel, the same ones for a seed; the first of more are those of fewer."""
    every = sorted((generic_kernel() / "lib/modules").rglob("*.ko"))
    chosen = random.Random(f"{seed}/foreign")
    chosen.shuffle(every)
    return every[:count]


def foreign_cases(bench: Bench, files: Sequence[Path]) -> list[Case]:
    """Return the cases of a foreign kernel; what of its own modules they need is loaded before."""
    tree, exported = bench.known.tree, bench.known.facts.exports.value or {}
    cases = []
    for file in files:
        content = file.read_bytes()
        first = () if tree is None else tree.dependencies(read_image(content), exported)
        cases.append(Case(f"foreign/{file.name.removesuffix('.ko')}", content, first=first))
    return cases


class Named(Protocol):
    """What of a kernel is shown."""

    @property
    def name(self) -> str:
        """Its short name."""

    @property
    def release(self) -> str:
        """What `uname -r` says there."""


class Foreign(NamedTuple):
    """The results of one foreign kernel.

    Attributes:
        wanted: how many modules were to be loaded.
        without: those that were drawn and passed over: a module they need does not stay in a machine like these.
    """

    kernel: str
    release: str
    results: Sequence[Result]
    wanted: int
    without: Sequence[str] = ()

    @classmethod
    def of(cls, kernel: Named, cases: Sequence[Case], results: Sequence[Result], wanted: int) -> Foreign:
        """Return the results of the first so many cases that have any."""
        these = list(results)[:wanted]
        names = {result.case.name for result in these}
        last = max((number for number, case in enumerate(cases) if case.name in names), default=-1)
        without = [case.name.removeprefix("foreign/") for case in cases[:last] if case.name not in names]
        return cls(kernel.name, kernel.release, these, wanted, without)


def section(own: Sequence[Own], foreign: Sequence[Foreign], seed: int, date: str) -> str:
    """Return this part of the page."""
    return "\n".join((BEGINNING, "", *_own_lines(own), *_foreign_lines(foreign, seed, date), *_wrong(foreign))) + "\n"


def with_section(page: str, text: str) -> str:
    """Return the page with this part at its end, in place of the one it has."""
    return page.partition(f"\n{BEGINNING}")[0].rstrip("\n") + "\n\n" + text


def section_of(page: str) -> str:
    """Return this part of a page, the empty string when it has none."""
    _, found, rest = page.partition(BEGINNING)
    return found + rest


def _own_lines(own: Sequence[Own]) -> Iterator[str]:
    yield "Every module of a kernel's package, predicted on that kernel (nothing loaded):"
    yield ""
    yield "| kernel | modules | reach init | refused | cannot tell |"
    yield "|---|---|---|---|---|"
    for each in own:
        counts = Counter(result.prediction.outcome for result in each.results)
        refused = counts["refused"] + counts["crashes-kernel"]
        cells = (each.kernel, len(each.results), counts["reaches-init"], refused, counts["cannot-tell"])
        yield f"| {' | '.join(map(str, cells))} |"
    yield ""


def _foreign_lines(foreign: Sequence[Foreign], seed: int, date: str) -> Iterator[str]:
    yield f"Modules of the generic 6.1 kernel, drawn with seed {seed}, each loaded for real on other kernels ({date}):"
    yield ""
    yield "| on | release | drawn | answered | outcome agrees | errno agrees | loaded | cannot tell | in vain |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for each in foreign:
        row = counted(each.results)
        loaded = sum(result.reality.outcome == "loaded" for result in each.results)
        yield (
            f"| {each.kernel} | {each.release} | {each.wanted} | {row.cases} | {row.outcome} |"
            f" {row.errno} of {row.refused} | {loaded} | {row.undecided} | {row.dangerous} |"
        )
    yield ""
    for each in foreign:
        if each.without:
            names = ", ".join(each.without)
            yield f"Passed over on {each.kernel}, since a module they need finds no device there: {names}."
            yield ""


def _wrong(foreign: Sequence[Foreign]) -> Iterator[str]:
    if not any(each.results for each in foreign):
        yield "Nothing was loaded."
        return
    wrong = [(each.kernel, result) for each in foreign for result in each.results if not result.verdict.agrees]
    if not wrong:
        yield "There is no case without agreement."
        return
    yield "| on | module | predicted | the kernel's answer | its last line |"
    yield "|---|---|---|---|---|"
    for kernel, result in wrong:
        name = result.case.name.removeprefix("foreign/")
        cells = (kernel, name, said(result.prediction), answered(result.reality), last_line(result.reality))
        yield f"| {' | '.join(map(cell, cells))} |"
