"""Reads the tables `[experiments.NAME]` of a claims file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracer.claims.model import DEFAULT_FILE, DEFAULT_SECONDS, Experiment
from tracer.claims.wrong import Wrong, table_with
from tracer.experiments import direct_calls, preparations
from tracer.experiments.donor import ROLES
from tracer.experiments.errors import UnknownFault
from tracer.experiments.faults import lookup
from tracer.experiments.loaders import LOADERS

#: Key → what it holds. A list is one of texts, unless it is one of tables.
KEYS: dict[str, type] = {
    "about": str,
    "like": str,
    "modules": dict,
    "file": str,
    "options": list,
    "parameters": list,
    "with": list,
    "prepare": list,
    "run": str,
    "calls": list,
    "afterwards": list,
    "watch": list,
    "module_folder": bool,
    "refused": bool,
    "seconds": int,
    "survey": bool,
    "kernel_only": bool,
    "loaders": list,
}
MODULE_KEYS = {"name", "init", "exit", "faults", "compression", "unchanged", "donor"}
ROLES_OF_DONORS = ("needed", "needing", *ROLES)
_KINDS = {str: "a text", int: "a number", list: "a list of texts", bool: "true or false", dict: "a table"}


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
    _check_kinds(whole)
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
    own = table_with(table, KEYS)
    base = own.get("like")
    if base is None:
        return dict(own)
    if base not in tables or base in above:
        raise Wrong(f"there is no experiment '{base}' to be like" if base not in tables else "is like itself", "like")
    return {**_with_inherited(tables[base], tables, (*above, base)), **own}


def _check_kinds(table: Mapping[str, Any]) -> None:
    for key, value in table_with(table, KEYS).items():
        of = dict if key == "calls" else str
        if not isinstance(value, KEYS[key]) or (
            isinstance(value, list) and not all(isinstance(one, of) for one in value)
        ):
            raise Wrong(f"'{key}' is {'a list of tables' if key == 'calls' else _KINDS[KEYS[key]]}", key)


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
    known = table_with(module, MODULE_KEYS)
    for key in ("unchanged", "donor"):
        if key in known and known[key] not in ROLES_OF_DONORS:
            raise Wrong(f"'{key}' is one of {', '.join(ROLES_OF_DONORS)}", key)
    for fault in known.get("faults", ()):
        try:
            lookup(fault)
        except UnknownFault as unknown:
            raise Wrong(str(unknown), str(fault)) from unknown
