"""What /proc/modules and /sys/module say of a module at one moment, as a `state` record.

Moments are `before` the command, at the `entry` and `exit` of a module system call (the task stands still
then), `during` the call (whenever it changed), and `after` the command.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

PROC_MODULES = Path("/proc/modules")
SYS_MODULE = Path("/sys/module")


def proc_modules() -> dict[str, dict[str, Any]]:
    """Return /proc/modules by module name (m_show in kernel/module/procfs.c)."""
    modules = {}
    for line in PROC_MODULES.read_text().splitlines():
        name, size, refcount, users, state, address, *taints = line.split()
        modules[name] = {
            "size": int(size),
            "refcount": int(refcount) if refcount.lstrip("-").isdigit() else None,
            "users": [user for user in users.split(",") if user and user != "-"],
            "state": state,
            "address": address,
            "taints": taints[0].strip("()") if taints else "",
        }
    return modules


def sys_module(name: str, *, details: bool = True) -> dict[str, Any] | None:
    """Return what /sys/module/NAME shows; None when there is no such folder."""
    folder = SYS_MODULE / name
    if not folder.is_dir():
        return None
    found: dict[str, Any] = {"initstate": _first_line(folder / "initstate")}
    if details:
        found["entries"] = sorted(entry.name for entry in _children(folder))
        found["refcnt"] = _first_line(folder / "refcnt")
        found["taint"] = _first_line(folder / "taint")
        found["holders"] = sorted(entry.name for entry in _children(folder / "holders"))
        found["sections"] = {entry.name: _first_line(entry) for entry in _children(folder / "sections")}
        found["parameters"] = {entry.name: _first_line(entry) for entry in _children(folder / "parameters")}
    return found


def state_records(moment: str, names: Iterable[str], *, details: bool = True) -> list[dict[str, Any]]:
    """Return one `state` record per module name, present or not."""
    loaded = proc_modules()
    return [
        {
            "type": "state",
            "t": time.monotonic_ns(),
            "what": "module",
            "moment": moment,
            "module": name,
            "proc_modules": loaded.get(name),
            "sys_module": sys_module(name, details=details),
        }
        for name in names
    ]


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:  # gone meanwhile, or never there
        return []


def _first_line(path: Path) -> str | None:
    try:
        return path.read_text(errors="backslashreplace").partition("\n")[0]
    except OSError:  # write-only, or gone meanwhile
        return None
