"""The kernel that runs this process, read from /proc, /sys and its own module tree."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache

from pyinsmod.elf_format import MACHINE_NAMES, text
from pyinsmod.kernel_facts.facts import Fact, KernelFacts, LoadedModule, unknown
from pyinsmod.kernel_facts.files import names_in, read, read_line
from pyinsmod.kernel_facts.kallsyms import exports_in, features_in
from pyinsmod.kernel_facts.paths import KernelPaths
from pyinsmod.kernel_facts.vermagic import vermagic_of_running

CAP_SYS_MODULE = 16

# PROC_USER_INIT_INO (include/linux/proc_ns.h), the initial user namespace; others do not count.
INITIAL_USER_NAMESPACE = "user:[4026531837]"

_OPTION = re.compile(rb"^CONFIG_(MODULE\w*|MODVERSIONS|LIVEPATCH|STRICT_MODULE_RWX|CONSTRUCTORS)=(.*)$", re.MULTILINE)
_PROVIDER = re.compile(rb"^alias symbol:(\S+) (\S+)$", re.MULTILINE)


def running_kernel(paths: KernelPaths | None = None) -> KernelFacts:
    """Return the facts of the running kernel, each read when it is asked for.

    Never raises, now or later: what cannot be read is an unknown fact.
    """
    paths = paths or KernelPaths()
    release = read_line(f"{paths.proc}/sys/kernel/osrelease").value or "unknown"
    kallsyms = cache(lambda: read(paths.kallsyms))
    return KernelFacts(
        name="running",
        release=release,
        machine=lambda: _machine(paths),
        vermagic=lambda: vermagic_of_running(paths, release, kallsyms().value or b""),
        exports=lambda: exports_in(kallsyms()),
        loaded=lambda: loaded_modules(paths),
        sysfs_modules=lambda: names_in(paths.sys_module),
        modules_disabled=lambda: modules_disabled(paths),
        config=lambda: _config(paths, release),
        providers=lambda: _providers(f"{paths.module_tree(release)}/modules.symbols"),
        features=lambda: features_in(kallsyms()),
        compression=lambda: kernel_compression(paths),
    )


def loaded_modules(paths: KernelPaths) -> Fact[Mapping[str, LoadedModule]]:
    """Return /proc/modules (kernel/module/procfs.c): name size references users state address."""
    raw = read(paths.modules)
    if raw.value is None:
        return unknown(raw.source)
    lines = (line.split() for line in text(raw.value).splitlines())
    return Fact({words[0]: _loaded(words) for words in lines if len(words) >= 5}, paths.modules)


def _loaded(words: list[str]) -> LoadedModule:
    """Read one line; a `-` for references (kernel cannot unload) counts as 0, for users as none."""
    users = () if words[3] == "-" else tuple(user for user in words[3].split(",") if user)
    taints = words[6].strip("()") if len(words) > 6 else ""
    return LoadedModule(words[4], int(words[2]) if words[2].isdigit() else 0, users, taints)


def caller_may_load(paths: KernelPaths | None = None) -> Fact[bool]:
    """Tell whether this process may call finit_module: CAP_SYS_MODULE in the initial user namespace.

    `may_init_module` (kernel/module/main.c) asks `capable()`: root of a container's namespace is refused.
    """
    paths = paths or KernelPaths()
    status = read(f"{paths.proc}/self/status")
    match = re.search(rb"^CapEff:\s*([0-9a-f]+)$", status.value or b"", re.MULTILINE)
    if match is None:
        return unknown(status.source)
    if not int(match[1], 16) >> CAP_SYS_MODULE & 1:
        return Fact(False, "this process lacks CAP_SYS_MODULE (CapEff of /proc/self/status)")
    try:
        namespace = os.readlink(f"{paths.proc}/self/ns/user")  # noqa: PTH115 - see paths.py
    except OSError:
        namespace = INITIAL_USER_NAMESPACE
    if namespace != INITIAL_USER_NAMESPACE:
        return Fact(False, "this process has CAP_SYS_MODULE only inside a user namespace (a container)")
    return Fact(True, "CapEff of /proc/self/status")


def _machine(paths: KernelPaths) -> Fact[int]:
    """Return e_machine of the kernel's modules, by /proc/sys/kernel/arch (since 6.1) or uname(2)."""
    arch = read_line(f"{paths.proc}/sys/kernel/arch").value or os.uname().machine
    by_name = {name: number for number, name in MACHINE_NAMES.items()}
    if arch not in by_name:
        return unknown(f"architecture '{arch}' is not known to this program")
    return Fact(by_name[arch], f"uname -m: {arch}")


def modules_disabled(paths: KernelPaths) -> Fact[bool]:
    """Tell whether sysctl kernel.modules_disabled is set; `nomodule` on the command line sets it, too."""
    line = read_line(f"{paths.proc}/sys/kernel/modules_disabled")
    return Fact(None if line.value is None else line.value != "0", line.source)


def _config(paths: KernelPaths, release: str) -> Fact[Mapping[str, str]]:
    for path in paths.configs(release):
        options = _options(path)
        if options is not None:
            return Fact(options, path)
    return unknown(f"no build configuration of {release} found")


def _options(path: str) -> Mapping[str, str] | None:
    raw = read(path).value
    if raw is not None and path.endswith(".gz"):
        import gzip

        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError):
            return None
    return None if raw is None else {text(name): text(value) for name, value in _OPTION.findall(raw)}


def _providers(path: str) -> Fact[Mapping[str, str]]:
    """Read the aliases `symbol:NAME` that depmod(8) writes into modules.symbols."""
    raw = read(path)
    if raw.value is None:
        return unknown(raw.source)
    return Fact({text(symbol): text(module) for symbol, module in _PROVIDER.findall(raw.value)}, path)


def kernel_compression(paths: KernelPaths) -> Fact[str]:
    """Read the one format the kernel unpacks (kernel/module/decompress.c); no such file: it unpacks none."""
    path = f"{paths.sys_module}/compression"
    return Fact(read_line(path).value or "", path)
