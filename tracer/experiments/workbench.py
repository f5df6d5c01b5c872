"""From an experiment's description to what is done in the machine: files, preparations, the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracer.claims import Experiment
from tracer.errors import MalformedClaims
from tracer.experiments.donor import dependent_pair
from tracer.experiments.init_code import Exit, Init
from tracer.experiments.loaders import MODULE_FOLDER, Loader
from tracer.experiments.module_spec import ModuleSpec, build

FOLDER = "/root"


@dataclass(frozen=True)
class Setup:
    """An experiment made ready for one loader on one kernel.

    Attributes:
        files: guest path → content.
        prepare: commands to run first, untraced.
        command: the command to trace.
        variables: what `$NAME` in the claims' selectors stands for.
    """

    files: Mapping[str, bytes]
    prepare: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    variables: Mapping[str, Any]


def set_up(experiment: Experiment, loader: Loader, files: Mapping[str, bytes]) -> Setup:
    """Return what has to be done; `files` come from `module_files`."""
    named = experiment.file.partition(".ko")[0] if loader.by_name else experiment.file
    arguments = [*(loader.insist if experiment.refused else ()), named]
    script = "; ".join([f"{loader.command} {shlex.join(arguments)}", *experiment.afterwards])
    commands = [*experiment.prepare, *(MODULE_FOLDER if loader.by_name else ())]
    return Setup(
        files={f"{FOLDER}/{name}": content for name, content in files.items()},
        prepare=(installation(loader), *(("sh", "-c", command) for command in commands)),
        command=("sh", "-c", script),
        variables={"file": experiment.file, "file_size": len(files[experiment.file])},
    )


def installation(loader: Loader) -> tuple[str, ...]:
    """Return the command that makes `loader` what the traced shell finds."""
    return ("ln", "-sfn", loader.program, loader.installed_as)


def module_files(experiment: Experiment, tree: Path) -> dict[str, bytes]:
    """Make the experiment's modules for the kernel unpacked in `tree`: file name → content.

    Raises:
        ExperimentError: this kernel cannot have such a module (FaultNotApplicable), or the claims ask
            for one that cannot be made.
        MalformedClaims: the description has an unknown key.
    """
    return {name: _make(experiment.name, table, tree) for name, table in experiment.modules.items()}


def _make(experiment: str, table: Mapping[str, Any], tree: Path) -> bytes:
    if "unchanged" in table:
        needed, needing = dependent_pair(tree)
        return {"needed": needed, "needing": needing}[table["unchanged"]].image
    try:
        return build(_spec(table), tree)
    except TypeError as error:
        raise MalformedClaims(f"[experiments.{experiment}]: the module's description: {error}") from error


def _spec(table: Mapping[str, Any]) -> ModuleSpec:
    values = dict(table)
    values["faults"] = tuple(table.get("faults", ()))
    values["init"] = Init(**table.get("init", {}))
    values["exit"] = Exit(**table.get("exit", {}))
    return ModuleSpec(**values)
