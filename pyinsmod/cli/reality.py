"""What a real kernel answers: one module loaded for real, in a machine that exists for this load only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pyinsmod.cli.machines import FreshMachines
from vm.errors import GuestCrashed, GuestHung, MachineLost
from vm.jobs import Job, JobResult

SECONDS = 30.0
GUEST_COMMAND = "pyinsmod-load-once"

RealOutcome = Literal["loaded", "refused", "crashed-kernel", "hung"]

# In the call trace of an oops that init itself ran into, or of a watchdog that found init running for too long.
INIT_CALLER = "do_one_initcall"


@dataclass(frozen=True)
class Attempt:
    """One load to be made.

    Attributes:
        name: what the file is called in the guest.
        content: its bytes, given to the kernel as they are.
        parameters: the module's parameters, joined with spaces as insmod does.
        first: modules of the kernel's own tree to load before, by name.
        files: further files of the guest: path → content.
        prepare: commands that have to succeed before.
        syscall: which call is to be made.
        force_vermagic, force_modversion: the force flags of finit_module.
    """

    name: str
    content: bytes
    parameters: str = ""
    first: tuple[str, ...] = ()
    files: Mapping[str, bytes] = field(default_factory=dict)
    prepare: tuple[tuple[str, ...], ...] = ()
    syscall: Literal["auto", "finit_module", "init_module"] = "auto"
    force_vermagic: bool = False
    force_modversion: bool = False


@dataclass(frozen=True)
class Reality:
    """What the kernel answered. `seconds` is the load's own time, in the guest; `wall_seconds` the machine's.

    `init_reached` tells a refusal by the loader from one by the module's init function; `errno` is None unless
    refused. `complaint` is set when a module that was to be loaded first was not; `loaded` are the modules that
    were there before the load, None where nobody looked.
    """

    outcome: RealOutcome
    errno: str | None = None
    log: tuple[str, ...] = ()
    seconds: float | None = None
    wall_seconds: float | None = None
    init_reached: bool = False
    complaint: str | None = None
    loaded: tuple[str, ...] | None = None

    def to_json(self) -> dict[str, object]:
        """Return the object that stands as `reality` in the JSON output of `try`."""
        return {
            "outcome": self.outcome,
            "errno": self.errno,
            "init_reached": self.init_reached,
            "log": list(self.log),
            "seconds": self.seconds,
        }


async def load_for_real(machines: FreshMachines, attempt: Attempt, seconds: float = SECONDS) -> Reality:
    """Make the attempt in a fresh machine. A crash and a hang are results.

    Raises:
        MachineLost: the machine went away, or its command could not report, or not so that it makes sense.
    """
    job = Job(
        (GUEST_COMMAND, json.dumps(_order(attempt))),
        files={**attempt.files, f"/root/{attempt.name}": attempt.content},
        prepare=attempt.prepare,
        seconds=seconds,
    )
    said = bytearray()
    try:
        result = await machines.run(job, on_output=lambda _stream, data: said.extend(data))
    except GuestCrashed as crash:
        return Reality("crashed-kernel", log=crash.last_words, init_reached=_shows_init(crash.last_words))
    except GuestHung as hang:  # it may have said that init lasts, or its watchdog have written a call trace
        reached = b"init_reached" in said or _shows_init(hang.last_words)
        return Reality("hung", log=hang.last_words, init_reached=reached)
    return _reported(result)


def _shows_init(words: Sequence[str]) -> bool:
    return any(INIT_CALLER in line for line in words)


def _order(attempt: Attempt) -> dict[str, object]:
    return {
        "file": f"/root/{attempt.name}",
        "parameters": attempt.parameters,
        "first": list(attempt.first),
        "syscall": attempt.syscall,
        "force_vermagic": attempt.force_vermagic,
        "force_modversion": attempt.force_modversion,
    }


def _reported(result: JobResult) -> Reality:
    lines = result.stdout.splitlines()
    if result.status or not lines:
        words: Sequence[str] = result.stderr.decode(errors="backslashreplace").strip().splitlines()
        raise MachineLost(words[-1] if words else result.not_started or f"the load ended with status {result.status}")
    try:
        report: dict[str, Any] = json.loads(lines[-1])
        return Reality(
            "loaded" if report["outcome"] == "loaded" else "refused",
            errno=report["errno"],
            log=tuple(report["log"]),
            seconds=report["seconds"],
            wall_seconds=result.seconds,
            init_reached=report["init_reached"],
            complaint=report["refused_first"],
            loaded=tuple(report["loaded"]),
        )
    except (ValueError, KeyError, TypeError) as rubbish:  # the kernel in there is the module's
        raise MachineLost("what the load says makes no sense", result.console) from rubbish
