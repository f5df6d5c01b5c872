"""Reads the tables `[experiments.NAME]` of a claims file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.claims.model import DEFAULT_FILE, DEFAULT_SECONDS, Experiment
from tracer.claims.wrong import NUMBER, TABLE, TABLES, TEXT, TEXTS, YES_NO, Wrong, of_kinds
from tracer.experiments import direct_calls, preparations
from tracer.experiments.donor import ROLES
from tracer.experiments.errors import UnknownFault
from tracer.experiments.faults import lookup
from tracer.experiments.loaders import LOADERS
from tracer.experiments.module_spec import COMPRESSORS

KEYS: Mapping[str, str] = {
    **dict.fromkeys(("about", "like", "file", "run"), TEXT),
    **dict.fromkeys(("options", "parameters", "with", "prepare", "afterwards", "watch", "loaders"), TEXTS),
    **dict.fromkeys(("module_folder", "refused", "survey", "kernel_only"), YES_NO),
    "modules": TABLE,
    "calls": TABLES,
    "seconds": NUMBER,
}
MODULE_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("name", "compression", "unchanged", "donor"), TEXT),
    "faults": TEXTS,
    "init": TABLE,
    "exit": TABLE,
}
INIT_KEYS: Mapping[str, str] = {"log": TEXT, "returns": NUMBER, "sleep_ms": NUMBER}
# What the machine code of an init function can hold: C's int, and what msleep() takes that is no negative int.
INIT_NUMBERS: Mapping[str, range] = {"returns": range(-(1 << 31), 1 << 31), "sleep_ms": range(1 << 31)}
EXIT_KEYS: Mapping[str, str] = {"log": TEXT}
ROLES_OF_DONORS = ("needed", "needing", *ROLES)


def read(name: str, table: object, tables: Mapping[str, Any], loaders: Sequence[str]) -> Experiment:
    """Return an experiment.

    Args:
        name: its key.
        table: its table.
        tables: those of all experiments, for `like`.
        loaders: those it is done with unless it says otherwise.

    Raises:
        Wrong: a key, a kind of value or a name in it is unknown.
    """
    whole = _with_inherited(table, tables)
    _check_names(whole)
    return Experiment(
        name=name,
        about=whole.get("about", ""),
        modules=whole.get("modules", {}),
        file=whole.get("file", DEFAULT_FILE),
        options=tuple(whole.get("options", ())),
        parameters=tuple(whole.get("parameters", ())),
        preparations=tuple(whole.get("with", ())),
        prepare=tuple(whole.get("prepare", ())),
        script=whole.get("run"),
        calls=tuple(whole.get("calls", ())),
        afterwards=tuple(whole.get("afterwards", ())),
        watch=tuple(whole.get("watch", ())),
        module_folder=whole.get("module_folder", False),
        seconds=whole.get("seconds", DEFAULT_SECONDS * (2 if "watch" in whole else 1)),
        refused=whole.get("refused", False),
        survey=whole.get("survey", False),
        kernel_only=whole.get("kernel_only", False) or "calls" in whole,
        loaders=tuple(whole.get("loaders", loaders)),
    )


def _with_inherited(table: object, tables: Mapping[str, Any], above: tuple[str, ...] = ()) -> dict[str, Any]:
    own = of_kinds(table, KEYS)
    base = own.get("like")
    if base is None:
        return dict(own)
    if base not in tables or base in above:
        raise Wrong(f"there is no experiment '{base}' to be like" if base not in tables else "is like itself", "like")
    return {**_with_inherited(tables[base], tables, (*above, base)), **own}


def _check_names(table: Mapping[str, Any]) -> None:
    for preparation in table.get("with", ()):
        problem = preparations.problem_of(preparation)
        if problem:
            raise Wrong(problem, preparation)
    for loader in table.get("loaders", ()):
        if loader not in LOADERS:
            raise Wrong(f"unknown loader '{loader}'; there are {', '.join(LOADERS)}", loader)
    for call in table.get("calls", ()):
        problem = direct_calls.problem_of(call)
        if problem:
            raise Wrong(problem, "calls")
    for module in table.get("modules", {}).values():
        _check_module(module)


def _check_module(module: object) -> None:
    known = of_kinds(module, MODULE_KEYS)
    if known.get("compression") not in COMPRESSORS:
        kinds = ", ".join(kind for kind in COMPRESSORS if kind)
        raise Wrong(f"unknown compression '{known['compression']}'; there are {kinds}", "compression")
    check_init(known.get("init", {}))
    of_kinds(known.get("exit", {}), EXIT_KEYS)
    for key in ("unchanged", "donor"):
        if key in known and known[key] not in ROLES_OF_DONORS:
            raise Wrong(f"'{key}' is one of {', '.join(ROLES_OF_DONORS)}", key)
    check_faults(known.get("faults", ()))


def check_init(init: object) -> None:
    """Raise Wrong if this does not say what an init function does."""
    known = of_kinds(init, INIT_KEYS)
    for key, numbers in INIT_NUMBERS.items():
        if known.get(key, 0) not in numbers:
            raise Wrong(f"'{key}' is a number from {numbers[0]} to {numbers[-1]}", key)


def check_faults(names: Sequence[str]) -> None:
    """Raise Wrong for a fault that there is not."""
    for name in names:
        try:
            lookup(name)
        except UnknownFault as unknown:
            raise Wrong(str(unknown), name) from unknown
