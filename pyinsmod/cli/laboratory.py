"""Every experiment of a document, on every kernel, with every loader: each in a machine of its own.

The one place where documents (tracer) and machines (vm) meet. What comes out are observations; judging
them is `tracer.compare`'s business.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pyinsmod.cli.guest import STANDS_BY, guest_content
from pyinsmod.cli.machines import MachineRoom
from pyinsmod.cli.recorded import RecordedTraces
from pyinsmod.text import printable
from tracer.claims import Claims, Experiment
from tracer.compare import Observation, Run
from tracer.errors import MalformedClaims, MalformedRecord
from tracer.experiments.errors import ExperimentError, FaultNotApplicable
from tracer.experiments.loaders import LOADERS, Loader
from tracer.experiments.outputs import with_outputs
from tracer.experiments.survey import survey_records
from tracer.experiments.workbench import Setup, installation, module_files, set_up, why_inapplicable
from tracer.records import Record, read
from vm.errors import MachineEnded
from vm.jobs import Job, JobResult
from vm.kernel_store import Kernel

RECORDS = "/tmp/records.jsonl"  # noqa: S108 - a path in the guest, which has one user and lives for a second
USUAL_MODULE = "mymod"  # what experiments load is mostly called so
WATCHED_LINE = '{"type": "file"'
TRACE = (
    *("--kernel-events", "--quick", "--format", "json", "--calls", "module-loading"),
    *("-s", "512", "-o", RECORDS),
)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """What all experiments share.

    Attributes:
        slots: as many machines run side by side.
        booting: held while a kernel's snapshot is made, which keeps more than one processor busy.
        fresh: nothing recorded before is used.
    """

    claims: Claims
    slots: asyncio.Semaphore
    booting: asyncio.Lock
    fresh: bool
    note: Progress
    done: Callable[[str], None]


class Machines(Protocol):
    """Where jobs are run: `vm.run.Laboratory`, or the running system."""

    @property
    def is_ready(self) -> bool:
        """Whether `ready` is done in a moment."""

    async def ready(self) -> object:
        """Do what comes before the first job."""

    async def run(self, job: Job) -> JobResult:
        """Run a job; MachineEnded when its machine did not live to tell."""


class Recorded(Protocol):
    """What jobs gave before."""

    def get(self, job: Job) -> bytes | None:
        """Return a job's trace."""

    def keep(self, job: Job, trace: bytes) -> None:
        """Keep a job's trace."""


def _nothing_against(_experiment: Experiment, _files: Mapping[str, bytes]) -> str | None:
    return None


@dataclass(frozen=True)
class Place:
    """A kernel's machines, what was recorded in them before, and what speaks against doing an experiment there."""

    kernel: Kernel
    machines: Machines
    recorded: Recorded
    why_not: Callable[[Experiment, Mapping[str, bytes]], str | None] = _nothing_against
    #: Held by the one of its jobs that makes its machines ready: no other kernel's boot comes before the rest of them.
    waiting: asyncio.Lock = field(default_factory=asyncio.Lock)


async def run_matrix(
    claims: Claims,
    kernels: Sequence[Kernel],
    loaders: Sequence[str],
    room: MachineRoom,
    note: Progress,
    done: Callable[[str], None] = lambda _: None,
    *,
    fresh: bool = False,
    workers: int | None = None,
) -> list[Run]:
    """Do every experiment and return the runs, kernels in order, loaders in order within them.

    Args:
        claims: the document's claims; only experiments some claim refers to are done.
        kernels: kernels of the store.
        loaders: names from LOADERS.
        room: where the machines are.
        note: told about what takes long (snapshots).
        done: told the name of each experiment that ended.
        fresh: measure again what was recorded in an earlier run.
        workers: machines side by side; as many as the room has places for unless said otherwise.
    """
    slots = asyncio.Semaphore(workers or room.places)
    bench = Bench(claims, slots, asyncio.Lock(), fresh, note, done)
    by_kernel = await asyncio.gather(*(_runs(bench, room, kernel, loaders) for kernel in kernels))
    return [run for runs in by_kernel for run in runs]


async def _runs(bench: Bench, room: MachineRoom, kernel: Kernel, loaders: Sequence[str]) -> list[Run]:
    async with room.laboratory(kernel, guest_content(), bench.note) as plain:
        machines = plain.standing_by(STANDS_BY, USUAL_MODULE, *TRACE)
        place = Place(kernel, machines, RecordedTraces(kernel.name, machines.identity, fresh=bench.fresh))
        return await runs_at(bench, place, loaders)


async def runs_at(bench: Bench, place: Place, loaders: Sequence[str]) -> list[Run]:
    """Do every experiment with each loader on one kernel."""
    return list(await asyncio.gather(*(_run(bench, place, name, loaders[0]) for name in loaders)))


def needed_experiments(claims: Claims) -> list[Experiment]:
    """Return the experiments some claim refers to, in the file's order; all, when all a call's errors are looked at."""
    if claims.errors_of:
        return list(claims.experiments.values())
    used = {test.experiment for claim in claims.claims for test in claim.tests}
    return [experiment for name, experiment in claims.experiments.items() if name in used]


def planned(experiments: Sequence[Experiment], loaders: Sequence[str]) -> int:
    """Return how many experiments a kernel takes with these loaders."""
    return sum(1 if one.settled_once else len(loaders) for one in experiments)


async def _run(bench: Bench, place: Place, name: str, reference: str) -> Run:
    """Do all experiments with one loader; those about the kernel alone only if it is the `reference` loader."""
    loader, kernel = LOADERS[name], place.kernel
    settled = Observation(inapplicable=f"what the kernel does by itself is settled by {kernel.name}/{reference}")
    experiments = needed_experiments(bench.claims)
    own = [one for one in experiments if name == reference or not one.settled_once]
    version, observations = await asyncio.gather(
        _version(bench, place, loader),
        asyncio.gather(*(_observe(bench, place, name, one) for one in own)),
    )
    observed = {one.name: seen for one, seen in zip(own, observations, strict=True)}
    return Run(
        kernel.name, kernel.release, name, version, {one.name: observed.get(one.name, settled) for one in experiments}
    )


async def _version(bench: Bench, place: Place, loader: Loader) -> str:
    job = Job(("sh", "-c", loader.version), links=installation(loader))
    said = place.recorded.get(job)
    if said is None:
        try:
            result = await _asked(bench, place, job)
        except MachineEnded:  # every experiment will say so
            return "?"
        said = result.stdout or result.stderr
        place.recorded.keep(job, said)
    return printable(said.decode(errors="backslashreplace").partition("\n")[0])


async def _asked(bench: Bench, place: Place, job: Job) -> JobResult:
    async with place.waiting:
        if not place.machines.is_ready:
            async with bench.booting:
                await place.machines.ready()
    async with bench.slots:
        return await place.machines.run(job)


async def _observe(bench: Bench, place: Place, name: str, experiment: Experiment) -> Observation:
    try:
        reason = why_inapplicable(experiment, name)
        if reason or experiment.broken:
            return Observation(inapplicable=reason, broke=experiment.broken)
        if experiment.survey:
            return Observation(records=await asyncio.to_thread(survey_records, place.kernel.root))
        files = await asyncio.to_thread(module_files, experiment, place.kernel.root)
        if reason := await asyncio.to_thread(place.why_not, experiment, files):
            return Observation(inapplicable=reason)
        return await _measure(bench, place, set_up(experiment, LOADERS[name], files), experiment.seconds)
    except FaultNotApplicable as reason:
        return Observation(inapplicable=str(reason))
    except (ExperimentError, MalformedClaims) as failure:
        return Observation(broke=str(failure))
    finally:
        bench.done(experiment.name)


async def _measure(bench: Bench, place: Place, setup: Setup, seconds: int) -> Observation:
    job = Job(
        argv=setup.command,
        goes_on=True,
        files=setup.files,
        links=setup.links,
        prepare=setup.prepare,
        get=(RECORDS, *setup.get),
        seconds=float(seconds),
    )
    try:
        trace = place.recorded.get(job)
        if trace is not None:
            return Observation(_records(trace), setup.variables)
        result = await _asked(bench, place, job)
        broke = _why_broken(result)
        trace = b"".join(result.files.get(path, b"") for path in (*setup.get, RECORDS))
        observed = Observation(_records(trace), setup.variables, broke=broke)
    except MachineEnded as ended:
        words = " / ".join(printable(line) for line in ended.last_words[-3:])
        return Observation(broke=f"{ended}: {words}" if words else str(ended))
    except MalformedRecord as malformed:
        return Observation(broke=f"the trace is damaged: {malformed}")
    if broke is None:
        place.recorded.keep(job, trace)
    return observed


def _records(trace: bytes) -> tuple[Record, ...]:
    """Return a trace's records with what the watcher of files saw in their place, and with what was written.

    Raises:
        MalformedRecord: they are damaged.
    """
    lines = trace.decode(errors="backslashreplace").splitlines()
    watched = list(itertools.takewhile(lambda line: line.startswith(WATCHED_LINE), lines))
    if len(watched) == len(lines):
        return ()
    told = read(lines[len(watched) :])
    files = [_of_watcher(number, line) for number, line in enumerate(watched, 1)]
    records = sorted([*told.records, *files], key=lambda record: record["t"]) if files else list(told.records)
    whole = (told.header, *records)
    return whole if told.end is None else with_outputs((*whole, told.end))


def _of_watcher(number: int, line: str) -> Record:
    try:
        record: Record = json.loads(line)
    except ValueError as rubbish:
        raise MalformedRecord(number, f"not JSON: {rubbish}") from rubbish
    if not isinstance(record.get("t"), int):
        raise MalformedRecord(number, "a watched file without a time")
    return record


def _why_broken(result: JobResult) -> str | None:
    if result.not_started:
        return result.not_started
    if RECORDS not in result.files:
        return printable(result.stderr.decode(errors="backslashreplace").strip()) or "no trace was written"
    return None
