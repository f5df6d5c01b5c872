"""`pyinsmod validate --here`: the experiments on the running system, one after the other, for whoever asked for it.

A module that would crash this kernel, that is loaded already, or that nothing could remove again is not loaded; what
lasts until the next boot is not done. Files and commands are private (`vm.running_system`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pyinsmod.checks import run_checks
from pyinsmod.cli.here_scratch import Scratch, build_id, scratch
from pyinsmod.cli.laboratory import TRACE, Bench, Place, runs_at
from pyinsmod.errors import MalformedModule
from pyinsmod.kernel_facts.running import running_kernel
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import SUFFIXES, read_image
from pyinsmod.prediction import predict
from pyinsmod.unloader import unload
from tracer.claims import Claims, Experiment
from tracer.compare import Run
from tracer.experiments.loaders import LOADERS
from tracer.experiments.preparations import is_lasting
from vm.errors import MachineLost
from vm.jobs import Job, JobResult
from vm.kernel_store import Kernel
from vm.running_system import run_here

NAME = "here"
COMMAND = """#!/bin/sh
exec '{python}' -P -m pyinsmod "$@"
"""
PATIENCE = 30.0  # seconds until a module whose init is still running can be removed
HARMFUL = ("crashes-kernel", "cannot-tell")


def problem() -> str | None:
    """Say why this system is no place for experiments; None when it is one."""
    folder = Path("/lib/modules", os.uname().release, "kernel")
    if os.geteuid() != 0:
        return "validate --here loads modules into the running kernel: run it as root"
    if not Path("/proc/modules").exists():
        return "the running kernel cannot load modules (there is no /proc/modules): leave --here out"
    if not folder.is_dir():
        return f"validate --here makes its modules from those of the running kernel, and there is no {folder}"
    return None


def installed(loaders: Sequence[str]) -> list[str]:
    """Return those of some loaders that this system has."""
    return [name for name in loaders if name == "pyinsmod" or Path(LOADERS[name].program).exists()]


async def run_on_this_system(
    claims: Claims, loaders: Sequence[str], note: Callable[[str], None], done: Callable[[str], None]
) -> list[Run]:
    """Do every experiment here; see `run_matrix` for `note` and `done`."""
    release = os.uname().release
    bench = Bench(claims, asyncio.Semaphore(1), asyncio.Lock(), True, note, done)
    with scratch(note) as own:
        tree = own.folder / "tree"
        (tree / "lib/modules").mkdir(parents=True)
        (tree / "lib/modules" / release).symlink_to(Path("/lib/modules", release).resolve())
        kernel = Kernel(NAME, release, "", tree, (), "", 0)
        return await runs_at(bench, Place(kernel, _ThisSystem(own), _NothingRecorded(), why_not_here), loaders)


def why_not_here(experiment: Experiment, files: Mapping[str, bytes]) -> str | None:
    """Say what speaks against an experiment on a system that is to go on afterwards; None when nothing does."""
    lasting = next(filter(is_lasting, experiment.preparations), None)
    if lasting is not None:
        return f"not done on a running system: '{lasting}' lasts until the next boot"
    for file, content in files.items():
        reason = _why_not_loaded(content)
        if reason is not None:
            return f"not done on a running system: {file} {reason}"
    return None


def _why_not_loaded(content: bytes) -> str | None:
    try:
        image = read_image(content)
    except MalformedModule:  # what cannot be unpacked is not loaded either
        return None
    findings = run_checks(image, running_kernel(), LoadRequest())
    outcome = predict(findings).outcome
    if outcome in HARMFUL:
        return f"is predicted to end with '{outcome}'"
    if image.known_name in _loaded():
        return "has the name of a module that is loaded already, and is needed perhaps"
    if outcome == "reaches-init" and any(finding.check == "permanent" for finding in findings):
        return "has no exit function and could not be removed"
    return None


class _ThisSystem:
    """Runs jobs here, and removes the modules they leave."""

    is_ready = True

    def __init__(self, own: Scratch) -> None:
        self._own = own

    async def ready(self) -> None:
        """There is nothing to wait for."""

    async def run(self, job: Job) -> JobResult:
        """Run a job; MachineLost when one of its modules cannot be removed."""
        loaded = _loaded()
        modules = {name: built for name, built in _modules(job.files).items() if name not in loaded}
        self._own.remember(modules)
        try:
            return await run_here(_with_pyinsmod(_whole(job)), place=self._own.folder, held=(self._own.lock,))
        finally:
            await asyncio.to_thread(_remove, set(modules))


def _whole(job: Job) -> Job:
    """Start the trace that in a machine stands by for its command."""
    return replace(job, argv=("pyinsmod", "trace", *TRACE, "--", *job.argv), goes_on=False) if job.goes_on else job


def _with_pyinsmod(job: Job) -> Job:
    """Let `pyinsmod` be this one: as the command, and where a preparation makes it the loader."""
    program = LOADERS["pyinsmod"].program
    argv = (sys.executable, "-P", "-m", *job.argv) if job.argv[0] == "pyinsmod" else job.argv
    wanted = program in job.links.values()
    own = {program: COMMAND.format(python=sys.executable).encode()} if wanted else {}
    return replace(job, argv=argv, files={**job.files, **own})


class _NothingRecorded:
    """Keeps nothing: the running system is never twice the same."""

    def get(self, _job: Job) -> None:
        """There is nothing."""

    def keep(self, _job: Job, _trace: bytes) -> None:
        """Nothing is kept."""


def _modules(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return the names of the modules among files, and their build ids."""
    modules = {}
    for content in (content for path, content in files.items() if path.endswith(SUFFIXES)):
        with contextlib.suppress(MalformedModule):
            image = read_image(content)
            modules[image.known_name or ""] = build_id(image)
    modules.pop("", None)
    return modules


def _loaded() -> set[str]:
    return {line.partition(" ")[0] for line in Path("/proc/modules").read_text().splitlines()}


def _remove(names: set[str]) -> None:
    deadline = time.monotonic() + PATIENCE
    while left := names & _loaded():
        for name in left:
            unload(name)
        if time.monotonic() > deadline:
            raise MachineLost(
                f"{', '.join(sorted(left))} cannot be removed from this system: it stays until the next boot"
            )
        time.sleep(0.05)
