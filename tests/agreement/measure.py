"""Load every case for real, many side by side, and keep the kernels' answers from run to run."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pyinsmod.cli.reality import Attempt, Reality, load_for_real
from pyinsmod.finding import Finding
from pyinsmod.prediction import Prediction
from tests.agreement.case import Case
from tests.agreement.cases import Bench
from tests.agreement.judge import Predictor, Verdict, judged
from vm.cache import cache_root
from vm.errors import MachineLost
from vm.run import Laboratory

# Seconds a load may take. Modules of the distribution can depend on many others, and a foreign processor is emulated.
_LOAD, _LOAD_OF_MANY = 30.0, 150.0
CRASHES = 2  # so often a kernel has to crash before the module is to blame
# Somebody who watches wants to see it move; a log wants to stay short.
_EVERY_SECONDS, _EVERY_SECONDS_IN_A_LOG = 5.0, 60.0


class Result(NamedTuple):
    """One case with its prediction, the kernel's answer and the verdict; `because`: what the prediction rests on."""

    case: Case
    prediction: Prediction
    reality: Reality
    verdict: Verdict
    because: Finding | None = None


class Answers:
    """The kernels' answers so far: JSON lines in a file, so that an interrupted run goes on where it was."""

    def __init__(self, kernel: str, path: Path | None = None) -> None:
        self._path = path or cache_root() / "agreement" / f"{kernel}.jsonl"
        self._known: dict[str, Reality] = {}
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                self._take(line)

    def get(self, key: str) -> Reality | None:
        """Return the answer to a case, by its key."""
        return self._known.get(key)

    def keep(self, key: str, case: Case, reality: Reality) -> None:
        """Keep an answer."""
        self._known[key] = reality
        told = {
            "key": key,
            "case": case.name,
            "outcome": reality.outcome,
            "errno": reality.errno,
            "init_reached": reality.init_reached,
            "log": list(reality.log),
            "complaint": reality.complaint,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(told) + "\n")

    def _take(self, line: str) -> None:
        try:
            told = json.loads(line)
            self._known[told["key"]] = Reality(
                told["outcome"],
                told["errno"],
                tuple(told["log"]),
                init_reached=told["init_reached"],
                complaint=told["complaint"],
            )
        except (ValueError, KeyError):
            return  # the last line of a run that was killed


class Progress:
    """How far the run is, on stderr: a line now and then, with an estimate of what is left."""

    def __init__(self, kernel: str, total: int) -> None:
        self._kernel, self._total = kernel, total
        self._done = 0
        self._started = self._said = time.monotonic()
        self._pause = _EVERY_SECONDS if sys.stderr.isatty() else _EVERY_SECONDS_IN_A_LOG

    def one_more(self) -> None:
        """Count a case that is done."""
        self._done += 1
        now = time.monotonic()
        if now - self._said >= self._pause or self._done == self._total:
            self._said = now
            left = (now - self._started) / self._done * (self._total - self._done)
            minutes, seconds = divmod(round(left), 60)
            sys.stderr.write(f"{self._kernel}: {self._done} of {self._total} loaded, {minutes}:{seconds:02} left\n")


async def measured(
    bench: Bench, cases: Iterable[Case], machines: Laboratory, answers: Answers, *, fresh: bool = False
) -> list[Result]:
    """Predict each case and load it, unless the answer is known already; as many at once as there are processors.

    A module that could not be loaded with its dependencies says nothing about the prediction, and is left out.
    """
    keys = {case.key(bench.kernel.release): case for case in cases}
    missing = [key for key in keys if fresh or answers.get(key) is None]
    progress = Progress(bench.kernel.name, len(missing))
    room = asyncio.Semaphore(os.cpu_count() or 1)

    async def ask(key: str) -> None:
        async with room:
            reality = await _asked(machines, keys[key])
            if reality is not None:
                answers.keep(key, keys[key], reality)
            progress.one_more()

    await asyncio.gather(*map(ask, missing))
    return results(bench, keys, answers)


def results(bench: Bench, keys: Mapping[str, Case], answers: Answers) -> list[Result]:
    """Return the cases that have an answer, with a prediction made now."""
    predictor = Predictor(bench.known)
    found = []
    for key, case in keys.items():
        reality = answers.get(key)
        if reality is not None and reality.complaint is None:
            if case.first and reality.errno == "EEXIST":
                continue  # one that it depends on has the kernel load it: so does vfio with vfio_iommu_type1
            prediction, because = predictor.prediction(case)
            found.append(Result(case, prediction, reality, judged(prediction, reality), because))
    return found


async def _asked(machines: Laboratory, case: Case) -> Reality | None:
    """Return the kernel's answer; None if the machine was lost, which says nothing, and is tried next time.

    A crash or silence has to happen twice: machines have been seen to die of their emulator, or of a busy host.
    """
    attempt = Attempt("case.ko", case.content, case.parameters, case.first, syscall=case.syscall)
    seconds = _LOAD_OF_MANY if case.kind == "module" else _LOAD
    try:
        for _ in range(CRASHES - 1):
            reality = await load_for_real(machines, attempt, seconds)
            if reality.outcome not in ("crashed-kernel", "hung"):
                return reality
        return await load_for_real(machines, attempt, seconds)
    except MachineLost as lost:
        sys.stderr.write(f"{case.name}: the machine was lost: {lost}\n")
        return None
