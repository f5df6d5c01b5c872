"""The prediction against real kernels: a sample of what `make agreement` does in full."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path

import pytest

from pyinsmod.cli.guest import guest_content
from pyinsmod.cli.reality import Attempt, Reality, load_for_real
from tests.agreement.__main__ import forbidden, sampled
from tests.agreement.case import KINDS, Case, Kind
from tests.agreement.cases import Bench, fault_cases, module_cases, mutation_cases, pair_cases
from tests.agreement.measure import Answers, Result, measured
from tests.agreement.shaken import answered
from tests.agreement.surroundings import SURROUNDINGS, Fillers
from tests.agreement.table import said
from vm.run import laboratory

pytestmark = pytest.mark.machine

# Of the kernel most tests use the most; every snapshot is also used by tests of other kernels' facts.
SAMPLES: dict[str, dict[Kind, int]] = {
    "6.1": {"fault": 20, "pair": 10, "mutation": 40, "module": 6},
    "5.10": {"fault": 5, "pair": 3, "mutation": 6, "module": 1},
    "6.12": {"fault": 5, "pair": 3, "mutation": 6, "module": 1},
    "7.2": {"fault": 5, "pair": 3, "mutation": 6, "module": 1},
}
# Of which the sample is drawn: making all mutations takes longer than loading a few.
MUTATIONS = 200
MODULES = 12


@pytest.mark.parametrize("kernel", SAMPLES)
def test_predictions_agree_with_the_kernel(kernel: str, tmp_path: Path) -> None:
    """A faulty module's outcome and errno are predicted, and no module is promised an init it never comes to."""
    bench = Bench.of(kernel)
    chosen = list(_chosen(bench, SAMPLES[kernel]))
    results = asyncio.run(_measured(bench, chosen, Answers(kernel, tmp_path / "answers")))
    assert {result.case.kind for result in results} == set(KINDS)
    wrong = [
        f"{each.case.name}: {said(each.prediction)}, the kernel: {answered(each.reality)}"
        for each in results
        if forbidden(each)
    ]
    assert not wrong, "\n".join(wrong)


# What 5.10 reads of that section stands behind the file's copy, megabytes away.
UNDETERMINED = "fault/plain/symbol-in-section:0xfeff"


def test_what_no_file_decides_is_answered_by_what_stands_in_memory() -> None:
    """The very same file crashes a kernel that has nothing behind it, and is loaded where zeros stand."""
    bench = Bench.of("5.10")
    case = next(case for case in fault_cases(bench) if case.name == UNDETERMINED)
    answers = asyncio.run(_with_other_memory(bench, case))
    assert answers["filled"].outcome == "crashed-kernel"
    assert answers["zeros"].outcome == "loaded"


async def _with_other_memory(bench: Bench, case: Case) -> dict[str, Reality]:
    fillers, attempt = Fillers(bench), Attempt("case.ko", case.content)
    chosen = [each for each in SURROUNDINGS if each.name in ("filled", "zeros")]
    async with laboratory(bench.kernel, guest_content(), print) as machines:
        return {each.name: await load_for_real(machines, fillers.attempt(each, attempt), 120.0) for each in chosen}


async def _measured(bench: Bench, chosen: list[Case], answers: Answers) -> list[Result]:
    async with laboratory(bench.kernel, guest_content(), print) as machines:
        return await measured(bench, chosen, machines, answers, shaken=False)


def _chosen(bench: Bench, counts: dict[Kind, int]) -> Iterable[Case]:
    every: dict[Kind, Iterable[Case]] = {
        "fault": fault_cases(bench),
        "pair": pair_cases(bench),
        "mutation": mutation_cases(bench, MUTATIONS),
        "module": module_cases(bench, MODULES),
    }
    for kind, count in counts.items():
        yield from sampled(list(every[kind]), count)
