"""Module system calls made directly, as data: what an experiment's `calls` may say, and the program that makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tracer.experiments.guest.module_calls import FLAGS

PROGRAM = "module_calls.py"
CALLS = {
    "finit_module": {"fd", "params", "flags"},
    "init_module": {"image", "len", "params"},
    "delete_module": {"name", "flags"},
    "open": {"path", "flags"},
    "wait": set(),
}
_COMMON = {"call", "in_thread"}
_DESCRIPTORS = ("open", "memfd", "pipe")


def problem_of(call: Mapping[str, Any]) -> str | None:
    """Say what is wrong with the description of a call; None when it is sound."""
    name = call.get("call")
    if name not in CALLS:
        return f"unknown call '{name}'; there are {', '.join(CALLS)}"
    for key in sorted(set(call) - CALLS[name] - _COMMON):
        return f"{name}: unknown key '{key}'; there are {', '.join(sorted(CALLS[name] | _COMMON))}"
    flags = call.get("flags", 0)
    if not isinstance(flags, int | list):
        return f"{name}: flags are a number, or a list of names"
    if name in {"finit_module", "delete_module"} and isinstance(flags, list):
        for flag in flags:
            if flag not in FLAGS:
                return f"{name}: unknown flag '{flag}'; give a number or of {', '.join(FLAGS)}"
    descriptor = call.get("fd", 0)
    named = isinstance(descriptor, Mapping) and any(kind in descriptor for kind in _DESCRIPTORS)
    if not isinstance(descriptor, int) and not named:
        return f"{name}: fd is a number, or a table with one of {', '.join(_DESCRIPTORS)}"
    return None


def command(calls: Sequence[Mapping[str, Any]], folder: str, file: str) -> tuple[str, ...]:
    """Return the command that makes the calls, given that the program was put into `folder`.

    The file is named too, which the program ignores: a tracer takes it for the module this is about.
    """
    return ("python3", f"{folder}/{PROGRAM}", json.dumps([dict(call) for call in calls]), file)
