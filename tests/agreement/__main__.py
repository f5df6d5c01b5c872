"""`python -m tests.agreement`: predict thousands of modules, load each for real, and write docs/agreement.md.

Answers of the kernels are kept below the cache folder, so that an interrupted run goes on where it was;
predictions are made anew each time. What a page says of kernels and classes that were not run stays.
Exit status: 0 no disagreement that is forbidden, 1 there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from pyinsmod.cli.guest import guest_content
from pyinsmod.cli.terminal import note
from tests.agreement.case import KINDS, Case
from tests.agreement.cases import MODULES, SEED, Bench, cases
from tests.agreement.foreign import (
    DRAWN,
    FOREIGN,
    SPARE,
    Foreign,
    drawn,
    foreign_cases,
    own_predictions,
    section,
    section_of,
    with_section,
)
from tests.agreement.judge import Predictor
from tests.agreement.measure import Answers, Result, measured
from tests.agreement.measure import results as answered_cases
from tests.agreement.page import Measured
from tests.agreement.reasons import UNDECIDABLE, reason_of
from tests.agreement.shaken import all_answers, answered
from tests.agreement.table import counted, markdown, said
from tests.agreement.where import where
from vm.catalogue import KERNELS as CATALOGUE
from vm.run import laboratory

KERNELS = ("5.10", "6.1", "6.12", "7.2", "5.10-arm64", "6.1-arm64", "6.12-arm64", "7.2-arm64")
PAGE = Path(__file__).parents[2] / "docs" / "agreement.md"


def main(argv: Sequence[str]) -> int:
    """Run what was asked for."""
    options = _options(argv)
    if options.foreign:
        return _foreign(options)
    found, kernels = [], []
    for name in options.kernel or KERNELS:
        bench = Bench.of(name, options.seed)
        kernels.append(bench.kernel)
        every = list(cases(bench))
        chosen = _chosen(every, options)
        results = recorded(bench, chosen) if options.recorded else asyncio.run(_run(bench, chosen, fresh=options.fresh))
        wanted = Counter(case.kind for case in every) | {"module": MODULES}
        absent = Counter((kind, why) for kind, _, why in sorted(bench.absent))
        found.append(Measured(name, bench.kernel.release, _limited(results), wanted, absent))
        if options.case:
            _print(_details(bench, results))
    whole = options.seed == SEED and not (options.kernel or options.only or options.sample or options.case)
    page = options.output or (PAGE if whole else None)
    if page:
        before = page.read_text() if page.exists() else ""
        text = markdown(found, options.seed, time.strftime("%Y-%m-%d"), where(kernels), before, KERNELS)
        page.write_text(with_section(text, section_of(before)) if section_of(before) else text)
    _print(_summary(found))
    return 1 if any(forbidden(result) for kernel in found for result in kernel.results) else 0


def _foreign(options: argparse.Namespace) -> int:
    """Hold the distribution's own modules against their own kernel, and some of them against foreign ones."""
    wanted = options.sample or DRAWN
    files = drawn(options.seed, wanted + SPARE)
    found = []
    for name in options.kernel or FOREIGN:
        bench = Bench.of(name, options.seed)
        chosen = foreign_cases(bench, files)
        results = recorded(bench, chosen) if options.recorded else asyncio.run(_run(bench, chosen, fresh=options.fresh))
        found.append(Foreign.of(bench.kernel, chosen, results, wanted))
    own = list(own_predictions())
    text = section(own, found, options.seed, time.strftime("%Y-%m-%d"))
    page = options.output or PAGE
    page.write_text(with_section(page.read_text() if page.exists() else "", text))
    _print(text.splitlines())
    failed = any(result.prediction.outcome != "reaches-init" for each in own for result in each.results)
    return 1 if failed or any(result.verdict.dangerous for each in found for result in each.results) else 0


def forbidden(result: Result) -> bool:
    """Tell whether a disagreement must not be: a faulty module's at all, any other's when it promises in vain.

    What no file decides may be left open of a faulty module, too.
    """
    verdict = result.verdict
    if result.right or (verdict.undecided and reason_of(result.prediction, result.because) in UNDECIDABLE):
        return False
    return verdict.dangerous or result.case.kind in ("fault", "pair")


async def _run(bench: Bench, chosen: list[Case], *, fresh: bool) -> list[Result]:
    async with laboratory(bench.kernel, guest_content(), note) as machines:
        await machines.ready()  # a kernel that does not come up is no answer to anything
        return await measured(bench, chosen, machines, Answers(bench.kernel.name), fresh=fresh)


def recorded(bench: Bench, chosen: Iterable[Case]) -> list[Result]:
    """Return the cases that were answered in earlier runs, predicted anew."""
    keys = {case.key(bench.kernel.release): case for case in chosen}
    return answered_cases(bench, keys, Answers(bench.kernel.name))


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.agreement", description=__doc__)
    parser.add_argument("--kernel", action="append", choices=tuple(CATALOGUE), help="only this kernel; repeatable")
    parser.add_argument("--only", action="append", choices=KINDS, help="only this class of cases; repeatable")
    parser.add_argument("--sample", type=int, help="only so many cases of each class, chosen by the seed")
    parser.add_argument("--seed", type=int, default=SEED, help=f"make the random cases from another seed than {SEED}")
    parser.add_argument("--case", help="only cases whose name has this in it; findings and log are shown")
    parser.add_argument("--fresh", action="store_true", help="load again what was loaded in an earlier run")
    parser.add_argument("--recorded", action="store_true", help="load nothing: only cases answered in earlier runs")
    parser.add_argument(
        "--foreign", action="store_true", help="modules of the distribution on their own and on foreign kernels"
    )
    parser.add_argument("--output", type=Path, help=f"the page to bring up to date (a whole run: {PAGE})")
    return parser.parse_args(argv)


def _chosen(every: Iterable[Case], options: argparse.Namespace) -> list[Case]:
    wanted = [case for case in every if case.kind in (options.only or KINDS)]
    if options.case:
        wanted = [case for case in wanted if options.case in case.name]
    return sampled(wanted, options.sample, options.seed) if options.sample else wanted


def sampled(every: Sequence[Case], count: int, seed: int = SEED) -> list[Case]:
    """Return so many cases of each class, always the same ones for a seed; the first of more are those of fewer."""
    chosen = []
    for kind in KINDS:
        of_kind = [case for case in every if case.kind == kind]
        random.Random(f"{seed}/{kind}").shuffle(of_kind)
        chosen += of_kind[:count]
    return chosen


def _limited(results: Sequence[Result]) -> list[Result]:
    """Return the results without the spare modules that were not needed."""
    modules = [result for result in results if result.case.kind == "module"]
    return [result for result in results if result.case.kind != "module"] + modules[:MODULES]


def _details(bench: Bench, results: Iterable[Result]) -> Iterator[str]:
    """Yield all there is to know of some cases."""
    predictor = Predictor(bench.known)
    for result in results:
        yield f"{bench.kernel.name} {result.case.name}"
        yield f"  predicted: {json.dumps(result.prediction.to_json())}"
        yield f"  answered:  {answered(result.reality)}"
        for name, reality in result.elsewhere.items():
            yield f"  {name + ':':<10} {answered(reality)}"
        for finding in predictor.findings(result.case):
            yield f"  finding:   {json.dumps(finding.to_json())}"
        for line in result.reality.log:
            yield f"  log:       {line!r}"


def _summary(found: Iterable[Measured]) -> Iterator[str]:
    for kernel in found:
        for kind in KINDS:
            row = counted(result for result in kernel.results if result.case.kind == kind)
            if row.cases:
                told = f"{row.told:.2f} % of {row.cases - row.undecided} told"
                open_ = f"{row.undecided} undecided, {row.shown} of them shown to be"
                yield f"{kernel.kernel} {kind}: {row.agreed:.2f} % of {row.cases}; {open_}; {told}"
        for result in kernel.results:
            if not result.verdict.agrees:
                shown = ", undetermined" if result.shown else ""
                yield f"  {result.case.name!r}: {said(result.prediction)}{shown}, the kernel: {all_answers(result)}"


def _print(lines: Iterable[str]) -> None:
    sys.stdout.writelines(f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
