"""What the running kernel's loader is told: blacklists, lockdown, enforced signatures, security modules."""

from __future__ import annotations

from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.kernel_facts.files import read, read_line
from pyinsmod.kernel_facts.paths import KernelPaths

# What printk writes for a string parameter that was never set.
NOT_SET = "(null)"


def sig_enforce(paths: KernelPaths) -> Fact[bool]:
    """Tell whether unsigned modules are refused; a kernel without CONFIG_MODULE_SIG has no such parameter."""
    path = f"{paths.sys_module}/module/parameters/sig_enforce"
    line = read_line(path)
    return Fact(None if line.value is None else line.value in ("Y", "1"), line.source)


def lockdown(paths: KernelPaths) -> Fact[str]:
    """Read the bracketed word of /sys/kernel/security/lockdown; a kernel without that module has none of it."""
    line = read_line(f"{paths.security}/lockdown")
    if line.value is not None:
        level = line.value.partition("[")[2].partition("]")[0]
        return Fact(level, line.source) if level else unknown(f"{line.source}: '{line.value}' has no word in brackets")
    listed = security_modules(paths)
    if listed.value is None or "lockdown" in listed.value:
        return unknown(line.source)
    return Fact("none", f"'lockdown' is not in {listed.source}")


def security_modules(paths: KernelPaths) -> Fact[tuple[str, ...]]:
    """Return the active security modules in the order they are asked."""
    line = read_line(f"{paths.security}/lsm")
    return Fact(None if line.value is None else tuple(filter(None, line.value.split(","))), line.source)


def blacklist(paths: KernelPaths) -> Fact[frozenset[str]]:
    """Return the names of `module_blacklist=`: by the parameter, which only root may read, else by /proc/cmdline."""
    line = read_line(f"{paths.sys_module}/kernel/parameters/module_blacklist")
    if line.value is not None:
        return Fact(_names([line.value] if line.value != NOT_SET else []), line.source)
    raw = read(paths.command_line)
    if raw.value is None:
        return unknown(f"{line.source}; {raw.source}")
    from pyinsmod.kernel_facts.command_line import values_of

    return Fact(_names(values_of(raw.value, "module_blacklist")[-1:]), raw.source)


def initcall_blacklist(paths: KernelPaths) -> Fact[frozenset[str]]:
    """Return the functions of every `initcall_blacklist=` on the kernel's command line."""
    raw = read(paths.command_line)
    if raw.value is None:
        return unknown(raw.source)
    if b"initcall" not in raw.value:  # which is so on nearly all machines
        return Fact(frozenset(), raw.source)
    from pyinsmod.kernel_facts.command_line import values_of

    return Fact(_names(values_of(raw.value, "initcall_blacklist")), raw.source)


def _names(lists: list[str]) -> frozenset[str]:
    return frozenset(name for listed in lists for name in listed.split(",") if name)
