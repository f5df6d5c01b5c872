"""Who else has a say in a load on the running kernel: seccomp, LoadPin, SELinux, IMA, IPE.

SELinux can be asked, and IMA's own rules are known; what else there is of rules is told to nobody, so that one can only
warn of it.
"""

from __future__ import annotations

from pyinsmod.kernel_facts.files import exists, names_in, read, read_line
from pyinsmod.kernel_facts.loader_settings import security_modules
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.lean import NamedTuple

AUDITED = "refusals: ausearch -m avc -ts recent"


class Policy(NamedTuple):
    """Something that may refuse a load before the loader looks at the module.

    `summary` says what it does, `errno` what the caller would get, `seen` by what it shows; `refuses` that it will
    refuse this load, as it says itself.
    """

    name: str
    errno: str
    summary: str
    seen: str
    remedy: str
    refuses: bool = False


def policies_in_force(paths: KernelPaths, descriptor: int | None = None) -> tuple[Policy, ...]:
    """Return what may refuse a load, as far as it shows that it is active.

    Args:
        paths: the running system's.
        descriptor: the module's file; None for bytes given from memory, by init_module.
    """
    listed = security_modules(paths).value or ()
    asked = (
        _seccomp(paths),
        _loadpin(paths) if "loadpin" in listed else None,
        _selinux(paths, descriptor) if "selinux" in listed else None,
        _ima(paths, descriptor),  # which is in that list since 6.9 only
        _ipe(paths) if "ipe" in listed else None,
    )
    return tuple(policy for policy in asked if policy)


def _seccomp(paths: KernelPaths) -> Policy | None:
    """Mode 2 of /proc/self/status is a filter (seccomp(2)); what it lets through cannot be read without ptrace."""
    status = read(f"{paths.proc}/self/status").value or b""
    if b"\nSeccomp:\t2\n" not in status:
        return None
    return Policy(
        "seccomp",
        "EPERM",
        "a seccomp filter is on this process: it may refuse the call before the kernel's loader is asked",
        "Seccomp: 2 in /proc/self/status",
        "run it outside the container or service that set the filter",
    )


def _loadpin(paths: KernelPaths) -> Policy | None:
    """Which filesystem is pinned is that of the first file the kernel read, and is told nowhere but in the log."""
    enforce = read_line(f"{paths.proc}/sys/kernel/loadpin/enforce")
    if enforce.value == "0":
        return None
    return Policy(
        "loadpin",
        "EPERM",
        "LoadPin accepts modules from one filesystem only, which is not known here, and none from memory",
        f"{enforce.value or '?'} in {paths.proc}/sys/kernel/loadpin/enforce",
        "put the module where the kernel's own modules are: dmesg | grep LoadPin",
    )


def _selinux(paths: KernelPaths, descriptor: int | None) -> Policy | None:
    """Where SELinux does not answer: unconfined processes may load what they can read, so nothing is said to them."""
    from pyinsmod.kernel_facts import selinux

    if not selinux.is_enforcing(paths):
        return None
    asked = selinux.ask(paths, descriptor)
    if asked.allowed or (asked.allowed is None and ":unconfined_t" in asked.domain):
        return None
    domain = asked.domain or "unknown"
    summary = f"SELinux does not let '{domain}' load a file labelled '{asked.label}'"
    remedy = "give the file the label of modules: chcon -t modules_object_t FILE"
    if asked.allowed is None:
        summary = f"SELinux is enforcing and decides by the file's label; this process is '{domain}'"
    elif descriptor is None:
        summary = f"SELinux does not let '{domain}' load modules from memory (init_module)"
        remedy = "give the kernel the file: finit_module"
    seen = f"1 in {paths.root}/sys/fs/selinux/enforce"
    return Policy("selinux", "EACCES", summary, seen, f"{remedy}; {AUDITED}", asked.allowed is False)


def _ima(paths: KernelPaths, descriptor: int | None) -> Policy | None:
    if not exists(f"{paths.security}/ima"):
        return None
    from pyinsmod.kernel_facts.ima import appraisal

    found = appraisal(paths, descriptor)
    if found is None:
        return None
    summary = "IMA appraises modules: a file without a good signature in its attribute security.ima is refused"
    remedy = "sign the file: evmctl ima_sign --key KEY FILE"
    if found.refuses and descriptor is None:
        summary = "IMA appraises modules, and those given from memory (init_module) cannot be appraised"
        remedy = "give the kernel the file: finit_module; or boot with module.sig_enforce=1"
    elif found.refuses:
        summary = "IMA appraises modules, and this file has no signature in its attribute security.ima"
    return Policy("ima", "EACCES", summary, found.seen, remedy, found.refuses)


def _ipe(paths: KernelPaths) -> Policy | None:
    folder = f"{paths.security}/ipe"
    if read_line(f"{folder}/enforce").value == "0":
        return None
    names = names_in(f"{folder}/policies").value or frozenset()
    active = [name for name in sorted(names) if read_line(f"{folder}/policies/{name}/active").value == "1"]
    if not active:
        return None
    return Policy(
        "ipe",
        "EACCES",
        f"an IPE policy is active ('{active[0]}') and may demand that modules come from a sealed filesystem",
        f"{folder}/policies/{active[0]}/active",
        f"read its rules for op=KMODULE: cat {folder}/policies/{active[0]}/policy",
    )
