"""Numbers to names: system calls, signals and errnos."""

from __future__ import annotations

import errno as errno_table

from pyinsmod.lean import TYPE_CHECKING, Mapping, MappingProxyType, cache
from tracer.decode.tables.architectures import BY_AUDIT, BY_NAME, COMPANIONS, Architecture
from tracer.decode.tables.few_numbers import FEW_NUMBERS
from tracer.errors import UnknownArchitecture, UnknownCall

if TYPE_CHECKING:
    from importlib.machinery import PathFinder, SourceFileLoader
    from types import ModuleType
else:  # what importlib.machinery has, without the package around it, which is slower to import
    from _frozen_importlib_external import PathFinder, SourceFileLoader

    ModuleType = type(errno_table)

# <linux/errno.h>: never seen by the program; a signal handler runs first, or the kernel restarts the call.
_RESTARTS = {
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    516: "ERESTART_RESTARTBLOCK",
}
# Where a number has two names, the kernel's own (Python has the other).
_ERRNOS = {**errno_table.errorcode, **_RESTARTS, 35: "EDEADLK", 95: "EOPNOTSUPP"}


_names: dict[int, Mapping[int, str]] = {}
_numbers: dict[int, dict[str, list[int]]] = {}


def call_names(audit: int) -> Mapping[int, str]:
    """Return number → name for an audit architecture; empty for one without tables."""
    known = _names.get(audit)
    if known is None:
        architecture = BY_AUDIT.get(audit)
        table: dict[int, str] = {}
        if architecture is not None:
            table = _ptrace_table(architecture) | architecture.lacking | _names_apart(architecture)
            for number in architecture.foreign:
                table.pop(number, None)
        known = _names[audit] = MappingProxyType(table)
    return known


def machine_architectures(machine: str) -> tuple[Architecture, ...]:
    """Return the architectures processes of this machine (uname -m) can have, its own first.

    Raises:
        UnknownArchitecture: no table for this machine.
    """
    if machine not in BY_NAME:
        known = ", ".join(BY_NAME)
        raise UnknownArchitecture(f"no table of system calls for '{machine}'; known: {known}")
    return (BY_NAME[machine], *(BY_NAME[name] for name in COMPANIONS.get(machine, ())))


def call_numbers(names: frozenset[str], audit: int) -> frozenset[int]:
    """Return the numbers that these calls have on an architecture; those it has not are left out."""
    few = _few_numbers(audit)
    if names <= few.keys():
        return frozenset([few[name] for name in names])
    known = _numbers.get(audit)
    if known is None:
        known = _numbers[audit] = {}
        for number, name in call_names(audit).items():
            known.setdefault(name, []).append(number)
    return frozenset([number for name in names for number in known.get(name, ())])


def _few_numbers(audit: int) -> Mapping[str, int]:
    return FEW_NUMBERS[BY_AUDIT[audit].name] if audit in BY_AUDIT else {}


def check_call_names(names: frozenset[str], machine: str) -> None:
    """Raise `UnknownCall` when a name is a system call of none of the machine's architectures."""
    known: set[str] = set()
    for arch in machine_architectures(machine):
        if names <= _few_numbers(arch.audit).keys():
            return
        known.update(call_names(arch.audit).values())
        if names <= known:
            return
    # open and its like are in the tables of old architectures only, yet belong to a portable list of names.
    known |= {name for arch in BY_NAME.values() for name in call_names(arch.audit).values()}
    unknown = sorted(names - known)
    if unknown:
        raise UnknownCall(f"no such system call: {', '.join(repr(name) for name in unknown)}")


def errno_symbol(errno: int) -> str:
    """Return the symbol of an errno, also of those the kernel keeps to itself; else `errno NNN`."""
    return _ERRNOS.get(errno) or f"errno {errno}"


def is_restart(errno: int) -> bool:
    """Whether this errno says that the call has no result yet."""
    return errno in _RESTARTS


@cache
def _ptrace_folder() -> str:
    package = PathFinder.find_spec("ptrace")
    if package is None or not package.submodule_search_locations:
        raise UnknownArchitecture("the package python-ptrace, which has the names of system calls, is missing")
    return package.submodule_search_locations[0]


def _names_apart(architecture: Architecture) -> dict[int, str]:
    name = architecture.names_apart
    if not name:
        return {}
    names: dict[int, str] = __import__(f"tracer.decode.tables.{name}", fromlist=("NAMES",)).NAMES
    return names


def _ptrace_table(architecture: Architecture) -> dict[int, str]:
    """Read python-ptrace's table without importing its package, which runs programs to find the libc."""
    if not architecture.ptrace_table:
        return {}
    name = architecture.ptrace_table
    path = f"{_ptrace_folder()}/syscall/linux/{name}.py"
    module = ModuleType(f"ptrace_table_{name}")
    try:
        SourceFileLoader(module.__name__, path).exec_module(module)
    except FileNotFoundError as missing:
        raise UnknownArchitecture(f"python-ptrace has no table for '{name}'") from missing
    return dict(module.SYSCALL_NAMES)
