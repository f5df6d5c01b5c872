"""Facts from the text of /proc/kallsyms: exported symbols, features, addresses.

An export shows as `__ksymtab_NAME` (include/linux/export.h), seen on 5.10 to 7.2 with CONFIG_KALLSYMS_ALL; no
filter of scripts/kallsyms.c or mksysmap drops it. Without CONFIG_KALLSYMS_ALL data symbols are absent: then
nothing is known, which is not the same as nothing exported.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, KernelExport, unknown
from pyinsmod.kernel_facts.features import features_shown

VMLINUX = "vmlinux"


def exports_in(kallsyms: Fact[bytes]) -> Fact[Mapping[str, KernelExport]]:
    """Return the exports of vmlinux and of the loaded modules; the kernel searches vmlinux first."""
    if not kallsyms.value:
        return unknown(kallsyms.source)
    of_kernel: dict[str, KernelExport] = {}
    of_modules: dict[str, KernelExport] = {}
    vmlinux = KernelExport(VMLINUX)
    # Lines are `ADDRESS TYPE NAME` or `ADDRESS TYPE NAME\t[MODULE]`; a regular expression takes ten times as long.
    for piece in kallsyms.value.split(b" __ksymtab_")[1:]:
        name, _, module = piece[: piece.find(b"\n")].partition(b"\t")
        if module:
            of_modules[text(name)] = KernelExport(text(module.strip(b"[]")))
        else:
            of_kernel[text(name)] = vmlinux
    if not of_kernel:
        return unknown("/proc/kallsyms shows no __ksymtab_ entries of vmlinux (CONFIG_KALLSYMS_ALL is off?)")
    return Fact({**of_modules, **of_kernel}, "__ksymtab_ entries of /proc/kallsyms")


def vermagic_address(kallsyms: bytes) -> int | None:
    """Return the address of the kernel's `vermagic` array; None when absent or hidden (kptr_restrict)."""
    at = kallsyms.find(b" vermagic\n")  # a module's own symbols have its name behind them
    if at < 0:
        return None
    address = kallsyms[kallsyms.rfind(b"\n", 0, at) + 1 : at].partition(b" ")[0]
    return int(address, 16) or None


def features_in(kallsyms: Fact[bytes]) -> Fact[Mapping[str, bool]]:
    """Return which features of the loader show by the kernel's symbols."""
    listed = kallsyms.value
    if not listed:
        return unknown(kallsyms.source)
    return Fact(features_shown(lambda name: f" {name}\n".encode() in listed, None), "/proc/kallsyms")
