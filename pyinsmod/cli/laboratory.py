"""Every experiment of a document, on every kernel, with every loader: each in a machine of its own.

The one place where documents (tracer) and machines (vm) meet. What comes out are observations; judging
them is `tracer.compare`'s business.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyinsmod.cli.guest import guest_content
from pyinsmod.text import printable
from tracer.claims import Claims, Experiment
from tracer.compare import Observation, Run
from tracer.errors import MalformedRecord
from tracer.experiments.errors import ExperimentError, FaultNotApplicable
from tracer.experiments.loaders import LOADERS, Loader
from tracer.experiments.survey import survey_records
from tracer.experiments.workbench import Setup, module_files, set_up
from tracer.records import Record, read
from vm.errors import MachineEnded
from vm.kernel_store import Kernel
from vm.run import Job, JobResult, Laboratory, laboratory

RECORDS = "/tmp/records.jsonl"  # noqa: S108 - a path in the guest, which has one user and lives for a second
EXPERIMENT_SECONDS = 60.0
TRACE = (
    *("pyinsmod", "trace", "--kernel-events", "--format", "json", "--calls", "module-loading"),
    *("-s", "512", "-o", RECORDS, "--"),
)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Bench:
    """What all experiments share."""

    claims: Claims
    slots: asyncio.Semaphore
    done: Callable[[str], None]


async def run_matrix(
    claims: Claims,
    kernels: Sequence[Kernel],
    loaders: Sequence[str],
    note: Progress,
    done: Callable[[str], None] = lambda _: None,
) -> list[Run]:
    """Do every experiment and return the runs, kernels in order, loaders in order within them.

    Args:
        claims: the document's claims; only experiments some claim refers to are done.
        kernels: kernels of the store.
        loaders: names from LOADERS.
        note: told about what takes long (snapshots).
        done: told the name of each experiment that ended.
    """
    bench = Bench(claims, asyncio.Semaphore(os.cpu_count() or 1), done)
    runs: list[Run] = []
    for kernel in kernels:
        async with laboratory(kernel, guest_content(), note) as machines:
            runs += await asyncio.gather(*(_run(bench, machines, kernel, name, loaders[0]) for name in loaders))
    return runs


def needed_experiments(claims: Claims) -> list[Experiment]:
    """Return the experiments some claim refers to, in the file's order."""
    used = {test.experiment for claim in claims.claims for test in claim.tests}
    return [experiment for name, experiment in claims.experiments.items() if name in used]


def planned(experiments: Sequence[Experiment], loaders: Sequence[str]) -> int:
    """Return how many experiments a kernel takes with these loaders."""
    return sum(1 if one.kernel_only or one.survey else len(loaders) for one in experiments)


async def _run(bench: Bench, machines: Laboratory, kernel: Kernel, name: str, reference: str) -> Run:
    """Do everything with one loader; what is the kernel's doing alone only if it is the `reference`."""
    loader = LOADERS[name]
    settled = Observation(inapplicable=f"what the kernel does by itself is settled by {kernel.name}/{reference}")
    experiments = needed_experiments(bench.claims)
    own = [one for one in experiments if name == reference or planned([one], [name, reference]) > 1]
    version, observations = await asyncio.gather(
        _version(bench, machines, loader),
        asyncio.gather(*(_observe(bench, machines, kernel, loader, one) for one in own)),
    )
    observed = {one.name: seen for one, seen in zip(own, observations, strict=True)}
    return Run(
        kernel.name, kernel.release, name, version, {one.name: observed.get(one.name, settled) for one in experiments}
    )


async def _version(bench: Bench, machines: Laboratory, loader: Loader) -> str:
    link = ("ln", "-sfn", loader.program, "/usr/sbin/insmod")
    async with bench.slots:
        result = await machines.run(Job(("sh", "-c", loader.version), prepare=(link,)))
    first_line = (result.stdout or result.stderr).decode(errors="backslashreplace").partition("\n")[0]
    return printable(first_line)


async def _observe(
    bench: Bench, machines: Laboratory, kernel: Kernel, loader: Loader, experiment: Experiment
) -> Observation:
    async with bench.slots:
        try:
            return await _do(machines, kernel, loader, experiment)
        except FaultNotApplicable as reason:
            return Observation(inapplicable=str(reason))
        except ExperimentError as failure:
            return Observation(broke=str(failure))
        finally:
            bench.done(experiment.name)


async def _do(machines: Laboratory, kernel: Kernel, loader: Loader, experiment: Experiment) -> Observation:
    if experiment.survey:
        return Observation(records=await asyncio.to_thread(survey_records, kernel.root))
    files = module_files(experiment, kernel.root)
    return await _measure(machines, set_up(experiment, loader, files))


async def _measure(machines: Laboratory, setup: Setup) -> Observation:
    job = Job(
        argv=(*TRACE, *setup.command),
        files=setup.files,
        prepare=setup.prepare,
        get=(RECORDS,),
        seconds=EXPERIMENT_SECONDS,
    )
    try:
        result = await machines.run(job)
        return Observation(_records(result), setup.variables, broke=_why_broken(result))
    except MachineEnded as ended:
        words = " / ".join(printable(line) for line in ended.last_words[-3:])
        return Observation(broke=f"{ended}: {words}" if words else str(ended))
    except MalformedRecord as malformed:
        return Observation(broke=f"the trace is damaged: {malformed}")


def _records(result: JobResult) -> tuple[Record, ...]:
    if RECORDS not in result.files:
        return ()
    trace = read(result.files[RECORDS].decode().splitlines())
    end = () if trace.end is None else (trace.end,)
    return (trace.header, *trace.records, *end)


def _why_broken(result: JobResult) -> str | None:
    if result.not_started:
        return result.not_started
    if RECORDS not in result.files:
        return printable(result.stderr.decode(errors="backslashreplace").strip()) or "no trace was written"
    return None
