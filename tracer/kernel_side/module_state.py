"""What /proc/modules and /sys/module say of a module at one moment, as a `state` record.

Moments are `before` the command, at the `entry` and `exit` of a module system call (the task stands still
then), `during` the call (whenever it changed), and `after` the command.

The traced command waits while its module is looked at, so the files are read by bare system calls.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from typing import Any

PROC_MODULES = "/proc/modules"
SYS_MODULE = "/sys/module"
_LONGEST = 64 * 1024


def proc_modules() -> dict[str, dict[str, Any]]:
    """Return /proc/modules by module name (m_show in kernel/module/procfs.c)."""
    with open(PROC_MODULES, encoding="utf-8") as file:  # noqa: PTH123 - see above
        return {line.partition(" ")[0]: _parsed(line) for line in file}


def _parsed(line: str) -> dict[str, Any]:
    _, size, refcount, users, state, address, *taints = line.split()
    return {
        "size": int(size),
        "refcount": int(refcount) if refcount.lstrip("-").isdigit() else None,
        "users": [user for user in users.split(",") if user and user != "-"],
        "state": state,
        "address": address,
        "taints": taints[0].strip("()") if taints else "",
    }


def sys_module(name: str, *, details: bool = True) -> dict[str, Any] | None:
    """Return what /sys/module/NAME shows; None when there is no such folder."""
    folder = f"{SYS_MODULE}/{name}"
    entries = _names(folder)
    if entries is None:
        return None
    found: dict[str, Any] = {"initstate": _first_line(f"{folder}/initstate")}
    if details:
        found["entries"] = entries
        found["refcnt"] = _first_line(f"{folder}/refcnt")
        found["taint"] = _first_line(f"{folder}/taint")
        found["holders"] = _names(f"{folder}/holders") or []
        found["sections"] = _first_lines(f"{folder}/sections")
        found["parameters"] = _first_lines(f"{folder}/parameters")
    return found


def state_records(moment: str, names: Iterable[str], *, details: bool = True) -> list[dict[str, Any]]:
    """Return one `state` record per module name, present or not."""
    t = time.monotonic_ns()
    loaded = proc_modules()
    return [
        {
            "type": "state",
            "t": t,
            "what": "module",
            "moment": moment,
            "module": name,
            "proc_modules": loaded.get(name),
            "sys_module": sys_module(name, details=details),
        }
        for name in names
    ]


def _names(folder: str) -> list[str] | None:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - see above
    except OSError:  # gone meanwhile, or never there
        return None


def _first_lines(folder: str) -> dict[str, str | None]:
    return {name: _first_line(f"{folder}/{name}") for name in _names(folder) or ()}


def _first_line(path: str) -> str | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, _LONGEST).partition(b"\n")[0].decode(errors="backslashreplace")
        finally:
            os.close(descriptor)
    except OSError:  # write-only, or gone meanwhile
        return None
