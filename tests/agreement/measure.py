"""Load every case for real, many side by side, and keep the kernels' answers from run to run."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from pyinsmod.cli.guest import guest_content
from pyinsmod.cli.reality import Attempt, Reality, load_for_real
from pyinsmod.cli.terminal import note
from pyinsmod.finding import Finding
from pyinsmod.prediction import Prediction
from tests.agreement.case import Case
from tests.agreement.cases import Bench
from tests.agreement.judge import Predictor, Verdict, answer_of, judged
from tests.agreement.reasons import reason_of
from tests.agreement.surroundings import EARLIER, SURROUNDINGS, Fillers, Surroundings, is_answer, key_in
from vm.cache import cache_root
from vm.errors import MachineLost
from vm.run import Laboratory, laboratory

# Seconds a load may take. Modules of the distribution can depend on many others, and a foreign processor is emulated.
_LOAD, _LOAD_OF_MANY = 30.0, 150.0
CRASHES = 2  # so often a kernel has to crash before the module is to blame
# So many files of each definite prediction are loaded with other memory as well.
CONTROL = 2
# Somebody who watches wants to see it move; a log wants to stay short.
_EVERY_SECONDS, _EVERY_SECONDS_IN_A_LOG = 5.0, 60.0


class Result(NamedTuple):
    """One case with its prediction, the kernel's answer and the verdict.

    Attributes:
        because: what the prediction rests on.
        elsewhere: the kernel's answers to the same file on machines with other memory, by the surroundings' names.
    """

    case: Case
    prediction: Prediction
    reality: Reality
    verdict: Verdict
    because: Finding | None = None
    elsewhere: Mapping[str, Reality] = {}

    @property
    def differs(self) -> bool:
        """Tell whether the kernel was seen to answer the file in different ways; silence is no way to answer."""
        answers = {answer_of(each) for each in (self.reality, *self.elsewhere.values()) if each.outcome != "hung"}
        return len(answers) > 1

    @property
    def shown(self) -> bool:
        """Tell whether nothing definite was predicted, and rightly so."""
        return self.verdict.undecided and self.differs

    @property
    def right(self) -> bool:
        """Tell whether the prediction was the right one: it came true, or none can."""
        return self.verdict.agrees or self.shown


class Answers:
    """The kernels' answers so far: JSON lines in a file, so that an interrupted run goes on where it was."""

    def __init__(self, kernel: str, path: Path | None = None) -> None:
        self._path = path or cache_root() / "agreement" / f"{kernel}.jsonl"
        self._known: dict[str, list[Reality]] = {}
        if self._path.exists():
            for line in self._path.read_text().splitlines():
                self._take(line)

    def get(self, key: str) -> Reality | None:
        """Return the answer to a case, by its key: the last one."""
        return self._known[key][-1] if key in self._known else None

    def earlier(self, key: str) -> list[Reality]:
        """Return what was answered in earlier runs, when the same kernel was booted another time."""
        return self._known.get(key, [])[:-1]

    def keep(self, key: str, case: Case, reality: Reality, surroundings: str | None = None) -> None:
        """Keep an answer; `surroundings` if it is not that of a machine as it stands, as its key says, too."""
        self._known.setdefault(key, []).append(reality)
        told: dict[str, object] = {
            "key": key,
            "case": case.name,
            "outcome": reality.outcome,
            "errno": reality.errno,
            "init_reached": reality.init_reached,
            "log": list(reality.log),
            "complaint": reality.complaint,
        }
        if surroundings:
            told["surroundings"] = surroundings
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(told) + "\n")

    def _take(self, line: str) -> None:
        try:
            told = json.loads(line)
            reality = Reality(
                told["outcome"],
                told["errno"],
                tuple(told["log"]),
                init_reached=told["init_reached"],
                complaint=told["complaint"],
            )
            self._known.setdefault(told["key"], []).append(reality)
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
    bench: Bench,
    cases: Iterable[Case],
    machines: Laboratory,
    answers: Answers,
    *,
    fresh: bool = False,
    shaken: bool = True,
) -> list[Result]:
    """Predict each case and load it, unless the answer is known already; as many at once as there are processors.

    A module that could not be loaded with its dependencies says nothing about the prediction, and is left out. With
    `shaken`, what is left open is loaded with other memory, too.
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
    if shaken:
        await _shake(bench, results(bench, keys, answers), machines, answers)
    return results(bench, keys, answers)


async def _shake(bench: Bench, found: Sequence[Result], machines: Laboratory, answers: Answers) -> None:
    """Load what is left open in all surroundings that may matter, and some that is not in all, for a control."""
    wanted = [(result.case, each) for result in found for each in surroundings_of(result)]
    wanted += [(result.case, each) for result in control(found, bench.seed) for each in SURROUNDINGS]
    missing = [each for each in wanted if answers.get(key_in(each[1], each[0], bench.kernel.release)) is None]
    progress = Progress(f"{bench.kernel.name}, other memory", len(missing))
    room = asyncio.Semaphore(os.cpu_count() or 1)
    fillers = Fillers(bench)

    async def ask(case: Case, surroundings: Surroundings) -> None:
        async with room:
            reality = await _asked_in(laboratories[surroundings.parameters], fillers, case, surroundings)
            if reality is not None and is_answer(reality):
                answers.keep(key_in(surroundings, case, bench.kernel.release), case, reality, surroundings.name)
            progress.one_more()

    async with AsyncExitStack() as stack:
        laboratories = {"": machines}
        for parameters in {each.parameters for _, each in missing} - {""}:
            booted = laboratory(bench.kernel, guest_content(), note, parameters)
            laboratories[parameters] = await stack.enter_async_context(booted)
        await asyncio.gather(*(ask(*each) for each in missing))


def surroundings_of(result: Result) -> list[Surroundings]:
    """Return the surroundings in which a case may be answered differently; none if the prediction is definite."""
    if not result.verdict.undecided:
        return []
    beside = reason_of(result.prediction, result.because).beside
    return [each for each in SURROUNDINGS if each.beside == beside]


def control(found: Iterable[Result], seed: int) -> list[Result]:
    """Return some cases of each definite prediction, always the same ones of the same cases: they must not differ."""
    chosen: dict[str, list[Result]] = {}
    for result in sorted(found, key=lambda it: hashlib.sha256(f"{seed}/{it.case.name}".encode()).digest()):
        of_kind = chosen.setdefault(result.prediction.outcome, [])
        if result.case.kind == "mutation" and not result.verdict.undecided and len(of_kind) < CONTROL:
            of_kind.append(result)
    return [result for of_kind in chosen.values() for result in of_kind]


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
            result = Result(case, prediction, reality, judged(prediction, reality), because)
            known = {each.name: answers.get(key_in(each, case, bench.kernel.release)) for each in SURROUNDINGS}
            elsewhere = {name: answer for name, answer in known.items() if answer is not None}
            if result.verdict.undecided:
                before = filter(is_answer, answers.earlier(key))
                elsewhere |= {f"{EARLIER} {number}": answer for number, answer in enumerate(before, 1)}
            found.append(result._replace(elsewhere=elsewhere))
    return found


async def _asked(machines: Laboratory, case: Case) -> Reality | None:
    """Return the kernel's answer; None if the machine was lost, which says nothing, and is tried next time.

    A crash or silence has to happen twice: machines have been seen to die of their emulator, or of a busy host.
    """
    attempt = _attempt(case)
    seconds = _LOAD_OF_MANY if case.kind in ("module", "foreign") else _LOAD
    try:
        for _ in range(CRASHES - 1):
            reality = await load_for_real(machines, attempt, seconds)
            if reality.outcome not in ("crashed-kernel", "hung"):
                return reality
        return await load_for_real(machines, attempt, seconds)
    except MachineLost as lost:
        sys.stderr.write(f"{case.name}: the machine was lost: {lost}\n")
        return None


async def _asked_in(machines: Laboratory, fillers: Fillers, case: Case, surroundings: Surroundings) -> Reality | None:
    """Return the kernel's answer in these surroundings, None if the machine was lost."""
    try:
        return await load_for_real(machines, fillers.attempt(surroundings, _attempt(case)), _LOAD_OF_MANY)
    except MachineLost as lost:
        sys.stderr.write(f"{case.name}, {surroundings.name}: the machine was lost: {lost}\n")
        return None


def _attempt(case: Case) -> Attempt:
    return Attempt("case.ko", case.content, case.parameters, case.first, syscall=case.syscall)
