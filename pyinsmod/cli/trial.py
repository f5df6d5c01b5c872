"""One module on one kernel: what is foretold, and what a machine that exists for this load only answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyinsmod.agreement import Agreement, Answer, compare
from pyinsmod.checks import run_checks
from pyinsmod.cli.guest import guest_content
from pyinsmod.cli.machines import MachineRoom
from pyinsmod.cli.reality import Attempt, Reality, load_for_real
from pyinsmod.cli.terminal import note
from pyinsmod.cli.try_kernels import TryKernel
from pyinsmod.errors import MalformedModule
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import KernelFacts
from pyinsmod.kernel_facts.loaded_modules import facts_with_loaded
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import Prediction, predict
from vm.errors import VmError


@dataclass(frozen=True)
class Subject:
    """The module that is tried: its file's name and bytes, the image in them, and the parameters."""

    path: str
    content: bytes
    image: ModuleImage
    parameters: str = ""

    @property
    def name(self) -> str:
        """The file's name without its folder."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True)
class Foretold:
    """The prediction for a kernel that has `first` loaded."""

    facts: KernelFacts
    first: tuple[str, ...]
    findings: tuple[Finding, ...]
    prediction: Prediction


@dataclass(frozen=True)
class Trial:
    """Prediction beside reality. `reality` is None when the machine was `lost`, for that reason."""

    kernel: TryKernel
    subject: Subject
    foretold: Foretold
    reality: Reality | None = None
    lost: str | None = None

    @property
    def agreement(self) -> Agreement | None:
        """Whether they agree; None without a reality."""
        if self.reality is None:
            return None
        real = self.reality
        reached = real.init_reached or (None if real.outcome == "hung" else False)
        answer = Answer(real.outcome, real.errno, real.log, reached)
        return compare(self.foretold.prediction, self.foretold.findings, answer)


async def try_on(
    kernel: TryKernel, subject: Subject, room: MachineRoom, places: asyncio.Semaphore, seconds: float
) -> Trial:
    """Predict and load for real, at the same time; a crash and a hang are results, a lost machine is said to be."""
    async with places:
        first = await asyncio.to_thread(_first, kernel, subject.image)
        foretelling = asyncio.to_thread(foretell, kernel, subject, first)
        foretold, reality = await asyncio.gather(foretelling, _load(kernel, subject, room, first, seconds))
    if isinstance(reality, str):
        return Trial(kernel, subject, foretold, lost=reality)
    if reality.complaint and reality.loaded is not None and set(reality.loaded) != set(first):
        # What was to be there before is not: only with what is there can the answer be foretold.
        foretold = replace(await asyncio.to_thread(foretell, kernel, subject, reality.loaded), first=first)
    return Trial(kernel, subject, foretold, reality)


async def _load(
    kernel: TryKernel, subject: Subject, room: MachineRoom, first: Sequence[str], seconds: float
) -> Reality | str:
    attempt = Attempt(subject.name, subject.content, subject.parameters, tuple(first))
    try:
        async with room.laboratory(kernel.machine, guest_content(), note) as machines:
            return await load_for_real(machines, attempt, seconds)
    except VmError as failure:
        return str(failure)


def _first(kernel: TryKernel, image: ModuleImage) -> tuple[str, ...]:
    """Return the modules of the kernel's own tree that this one needs, in the order to load them."""
    if kernel.known.tree is None:
        return ()
    try:
        return kernel.known.tree.dependencies(image, kernel.known.facts.exports.value or ())
    except MalformedModule:
        return ()


def foretell(kernel: TryKernel, subject: Subject, first: Sequence[str]) -> Foretold:
    """Return what a freshly booted kernel with these modules of its own loaded will answer."""
    facts = kernel.known.facts
    if kernel.known.tree is not None:
        facts = facts_with_loaded(facts, kernel.known.tree, first)
    found = run_checks(subject.image, facts, LoadRequest(subject.parameters))
    findings = tuple(finding.for_file(subject.path, subject.image.known_name) for finding in found)
    return Foretold(facts, tuple(first), findings, predict(findings))
