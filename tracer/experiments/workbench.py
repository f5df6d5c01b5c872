"""From an experiment's description to what is done in the machine: files, preparations, the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracer.claims.model import Experiment
from tracer.errors import MalformedClaims
from tracer.experiments import direct_calls
from tracer.experiments.donor import Donor, choose_donors, dependent_pair
from tracer.experiments.init_code import Exit, Init
from tracer.experiments.loaders import MODULE_FOLDER, Loader
from tracer.experiments.module_faults import set_name
from tracer.experiments.module_spec import ModuleSpec, build
from tracer.experiments.preparations import BECOME, commands_of, prefix_of
from tracer.experiments.relocatable import Relocatable

FOLDER = "/root"
PAIR = ("needed", "needing")
PROGRAMS = Path(__file__).parent / "guest"
WATCHER = "watch_files.py"
WATCHED = "/tmp/watched.jsonl"  # noqa: S108 - a path in the guest, which has one user and lives for a second
_FIFO = "/tmp/watched.fifo"  # noqa: S108


@dataclass(frozen=True)
class Setup:
    """An experiment made ready for one loader on one kernel.

    Attributes:
        files: guest path → content.
        links: guest path → target of a symbolic link.
        prepare: commands to run first, untraced.
        command: the command to trace.
        variables: what `$NAME` in the claims' selectors stands for.
        get: guest paths of further records, beside the trace.
    """

    files: Mapping[str, bytes]
    prepare: tuple[tuple[str, ...], ...]
    command: tuple[str, ...]
    variables: Mapping[str, Any]
    get: tuple[str, ...] = ()
    links: Mapping[str, str] = field(default_factory=dict)


def why_inapplicable(experiment: Experiment, name: str) -> str | None:
    """Say why an experiment is not done with the loader of that name; None when it is."""
    if experiment.loaders and name not in experiment.loaders:
        return f"this is about {', '.join(experiment.loaders)}"
    return None


def set_up(experiment: Experiment, loader: Loader, files: Mapping[str, bytes]) -> Setup:
    """Return what has to be done; `files` come from `module_files`."""
    prefix = [word for name in experiment.preparations for word in prefix_of(name, experiment.file)]
    return Setup(
        files={f"{FOLDER}/{name}": content for name, content in {**files, **_programs(experiment)}.items()},
        prepare=_preparations(experiment, loader),
        command=(*prefix, *_command(experiment, loader)),
        variables={"file": experiment.file, "file_size": len(files.get(experiment.file, b""))},
        get=(WATCHED,) if experiment.watch else (),
        links={**installation(loader), **(_tools(loader) if experiment.script else {})},
    )


def installation(loader: Loader) -> dict[str, str]:
    """Return the link that makes `loader` what the traced shell finds."""
    return {loader.installed_as: loader.program}


def module_files(experiment: Experiment, tree: Path) -> dict[str, bytes]:
    """Make the experiment's modules for the kernel unpacked in `tree`: file name → content.

    Raises:
        ExperimentError: this kernel cannot have such a module (FaultNotApplicable), or the claims ask
            for one that cannot be made.
        MalformedClaims: the description has an unknown key.
    """
    return {name: _make(experiment.name, table, tree) for name, table in experiment.modules.items()}


def _preparations(experiment: Experiment, loader: Loader) -> tuple[tuple[str, ...], ...]:
    by_name = loader.by_name and not experiment.script and not experiment.calls
    commands = [
        *(command for name in experiment.preparations for command in commands_of(name, experiment.file)),
        *experiment.prepare,
        *([MODULE_FOLDER] if by_name or experiment.module_folder else []),
        *_watching(experiment),
    ]
    return tuple(("sh", "-c", command) for command in commands)


def _tools(loader: Loader) -> dict[str, str]:
    origin, names = loader.tools
    return {f"/usr/sbin/{name}": origin + name if origin.endswith("/") else origin for name in names}


def _command(experiment: Experiment, loader: Loader) -> tuple[str, ...]:
    if experiment.calls and not experiment.watch and not experiment.afterwards:
        return direct_calls.command(experiment.calls, FOLDER, experiment.file)
    script = "; ".join([_first_command(experiment, loader), *experiment.afterwards])
    if experiment.watch:  # the watcher opens its end once it has looked for the last time
        script += f"; status=$?; read _ < {_FIFO}; exit $status"
    return ("sh", "-c", script)


def _first_command(experiment: Experiment, loader: Loader) -> str:
    if experiment.calls:
        return shlex.join(direct_calls.command(experiment.calls, FOLDER, experiment.file))
    if experiment.script:
        return experiment.script
    named = experiment.file.partition(".ko")[0] if loader.by_name else experiment.file
    insist = loader.insist if experiment.refused else ()
    return f"{loader.command} {shlex.join([*insist, *experiment.options, named, *experiment.parameters])}"


def _programs(experiment: Experiment) -> dict[str, bytes]:
    prefixes = [word for name in experiment.preparations for word in prefix_of(name, experiment.file)]
    by_script = direct_calls.PROGRAM in (experiment.script or "")
    wanted = {
        direct_calls.PROGRAM: experiment.calls or by_script,
        WATCHER: experiment.watch,
        BECOME: BECOME in prefixes,
    }
    return {name: (PROGRAMS / name).read_bytes() for name, needed in wanted.items() if needed}


def _watching(experiment: Experiment) -> list[str]:
    if not experiment.watch:
        return []
    start = shlex.join(["python3", f"{FOLDER}/{WATCHER}", WATCHED, _FIFO, *experiment.watch])
    return [f"{start} >/dev/null 2>&1 & until [ -p {_FIFO} ]; do kill -0 $! || exit 1; done"]


def _make(experiment: str, table: Mapping[str, Any], tree: Path) -> bytes:
    donor = _donor(table, tree)
    described = {key: value for key, value in table.items() if key not in {"unchanged", "donor"}}
    if donor is not None and "unchanged" in table and not set(described) - {"name"}:
        return _renamed(donor.image, str(described["name"])) if described else donor.image
    try:
        # A changed module of a pair goes by its own name: the other one asks for it by that.
        name = {"name": donor.name} if donor is not None and "unchanged" in table else {}
        return build(_spec({**name, **described}), tree, donor)
    except TypeError as error:
        raise MalformedClaims(f"[experiments.{experiment}]: the module's description: {error}") from error


def _renamed(image: bytes, name: str) -> bytes:
    module = Relocatable.parse(image)
    set_name(module, name)
    return module.to_bytes()


def _donor(table: Mapping[str, Any], tree: Path) -> Donor | None:
    """Return the module of the package that the description names; None for the usual one."""
    role = table.get("unchanged", table.get("donor"))
    if role is None:
        return None
    if role in PAIR:
        return dependent_pair(tree)[PAIR.index(role)]
    return choose_donors(tree)[role]


def _spec(table: Mapping[str, Any]) -> ModuleSpec:
    values = dict(table)
    values["faults"] = tuple(table.get("faults", ()))
    values["init"] = Init(**table.get("init", {}))
    values["exit"] = Exit(**table.get("exit", {}))
    return ModuleSpec(**values)
