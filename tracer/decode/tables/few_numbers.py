"""Numbers of the few calls that every trace has to do with: those it watches itself, and those of modules.

They stand in the tables of `tracer.decode.names`, too, but to read those takes longer than to start a command. A
test holds both against each other.
"""

from __future__ import annotations

from pyinsmod.lean import Mapping, MappingProxyType

#: prctl and seccomp install filters, the affinity is not to be seen by who is pinned.
_NAMES = (
    *("execve", "prctl", "seccomp", "sched_setaffinity", "sched_getaffinity"),
    *("init_module", "finit_module", "delete_module"),
)
_GENERIC = (221, 167, 277, 122, 123, 105, 273, 106)

#: Architecture (uname -m) → the numbers of these calls, each with one.
FEW_NUMBERS: Mapping[str, Mapping[str, int]] = MappingProxyType(
    {
        arch: dict(zip(_NAMES, numbers, strict=True))
        for arch, numbers in {
            "x86_64": (59, 157, 317, 203, 204, 175, 313, 176),
            "i386": (11, 172, 354, 241, 242, 128, 350, 129),
            "aarch64": _GENERIC,
            "riscv64": _GENERIC,
            "arm": (11, 172, 383, 241, 242, 128, 379, 129),
        }.items()
    }
)
