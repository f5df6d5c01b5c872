"""Which calls a trace records: named profiles, and lists of names.

The profile `module-loading` has no reads from files below /proc and /sys: of a loader that looks at
/proc/kallsyms they would be nine in ten of its records, and say nothing about the module. They are counted
(`left_out` in the end record); `all`, or a list of names, records them.
"""

from __future__ import annotations

from pyinsmod.lean import MappingProxyType

#: Calls that load and remove kernel modules; the kernel's state is worth a look at their borders.
MODULE_CALLS = frozenset(("init_module", "finit_module", "delete_module"))

#: A set of names; None stands for all calls.
CallSet = frozenset[str] | None

MODULE_LOADING: frozenset[str] = MODULE_CALLS | frozenset(
    (
        *("execve", "execveat", "exit", "exit_group", "fork", "vfork", "clone", "clone3"),
        *("open", "openat", "openat2", "creat", "close", "read", "pread64"),
        *("write", "pwrite64", "writev", "mmap", "munmap"),
        *("stat", "lstat", "newfstatat", "statx"),
    )
)

#: Calls of the profile that are left out when their descriptor is of such a file.
LEFT_OUT_CALLS = frozenset(("read", "pread64"))
LEFT_OUT_PATHS = ("/proc/", "/sys/")

PROFILES: MappingProxyType[str, CallSet] = MappingProxyType({"module-loading": MODULE_LOADING, "all": None})


def call_set(text: str) -> CallSet:
    """Return the set that `--calls` names: a profile, or names with commas between them, unchecked."""
    if text in PROFILES:
        return PROFILES[text]
    return frozenset(name for name in (part.strip() for part in text.split(",")) if name)


def left_out_calls(calls: CallSet) -> frozenset[str]:
    """Return the calls of a set that are not recorded when they read a file below `LEFT_OUT_PATHS`."""
    return LEFT_OUT_CALLS if calls == MODULE_LOADING else frozenset()


def described(calls: CallSet) -> str | list[str]:
    """Return a set as the header of a trace has it: a profile's name, or the sorted names."""
    for name, profile in PROFILES.items():
        if profile == calls:
            return name
    return sorted(calls or ())
