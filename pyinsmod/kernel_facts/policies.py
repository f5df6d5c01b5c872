"""Who else has a say in a load on the running kernel: seccomp, LoadPin, SELinux, IMA, IPE, whose rules are not told."""

from __future__ import annotations

from pyinsmod.kernel_facts.files import names_in, read, read_line
from pyinsmod.kernel_facts.loader_settings import security_modules
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.lean import NamedTuple


class Policy(NamedTuple):
    """Something that may refuse a load before the loader looks at the module, and whose rules cannot be read.

    `summary` says what it does, `errno` what the caller would get, `seen` by what it shows.
    """

    name: str
    errno: str
    summary: str
    seen: str
    remedy: str


def policies_in_force(paths: KernelPaths) -> tuple[Policy, ...]:
    """Return what may refuse a load by rules that cannot be read from here, as far as it shows that it is active."""
    listed = security_modules(paths).value or ()
    asked = (
        _seccomp(paths),
        _loadpin(paths) if "loadpin" in listed else None,
        _selinux(paths) if "selinux" in listed else None,
        _ima(paths),  # which is in that list since 6.9 only
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


def _selinux(paths: KernelPaths) -> Policy | None:
    """Unconfined processes may load what they can read (policy `module_load`), so nothing is said to them."""
    enforce = read_line(f"{paths.root}/sys/fs/selinux/enforce")
    domain = (read_line(f"{paths.proc}/self/attr/current").value or "").rstrip("\0")
    if enforce.value != "1" or ":unconfined_t" in domain:
        return None
    return Policy(
        "selinux",
        "EACCES",
        f"SELinux is enforcing and decides by the file's label; this process is '{domain or 'unknown'}'",
        f"1 in {enforce.source}",
        "give the file the label of modules: chcon -t modules_object_t FILE; refusals: ausearch -m avc -ts recent",
    )


def _ima(paths: KernelPaths) -> Policy | None:
    rules = read(f"{paths.security}/ima/policy")
    lines = [line for line in (rules.value or b"").splitlines() if b"appraise" in line and b"MODULE_CHECK" in line]
    if not any(line.startswith(b"appraise") for line in lines):
        return None
    return Policy(
        "ima",
        "EACCES",
        "IMA appraises modules: a file without a good signature in its attribute security.ima is refused",
        f"a rule 'appraise func=MODULE_CHECK' in {rules.source}",
        "sign the file: evmctl ima_sign --key KEY FILE",
    )


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
