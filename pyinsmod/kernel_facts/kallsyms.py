"""Facts from the text of /proc/kallsyms: exported symbols, addresses, features.

An export shows as `__ksymtab_NAME` (include/linux/export.h), seen on 5.10 to 7.2 with CONFIG_KALLSYMS_ALL; no
filter of scripts/kallsyms.c or mksysmap drops it. Without CONFIG_KALLSYMS_ALL data symbols are absent: then
nothing is known, which is not the same as nothing exported.

Lines are `ADDRESS TYPE NAME`, in the order of addresses, then such lines with a tab and `[MODULE]`. They are
searched with `bytes.find`: a regular expression takes ten times as long for the 4 to 9 MB.
"""

from __future__ import annotations

from itertools import pairwise

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, KernelExport, unknown
from pyinsmod.kernel_facts.features import features_shown
from pyinsmod.lean import Iterator, Mapping, NamedTuple, Sequence

VMLINUX = "vmlinux"
ENTRY = "__ksymtab_"

# Where read-only data begins and ends (include/asm-generic/sections.h): everything wanted lies between.
FIRST, LAST = "__start_rodata", "__end_rodata"
BETWEEN = (
    "vermagic",
    "__start___ksymtab",
    "__stop___ksymtab",
    "__start___ksymtab_gpl",
    "__stop___ksymtab_gpl",
    "__start___kcrctab",
    "__stop___kcrctab",
    "__start___kcrctab_gpl",
    "__stop___kcrctab_gpl",
    "__start___kflagstab",
    "__stop___kflagstab",
    "__start_BTF",
    "__stop_BTF",
)


class ModuleEntry(NamedTuple):
    """One `__ksymtab_NAME` of a loaded module; the address is 0 where addresses are hidden."""

    module: str
    name: str
    address: int


def read_only_part(kallsyms: bytes) -> bytes:
    """Return the lines from FIRST to LAST; all of them where these are not listed."""
    first = kallsyms.find(b" %s\n" % FIRST.encode())
    start = kallsyms.rfind(b"\n", 0, max(first, 0)) + 1
    last = kallsyms.find(b" %s\n" % LAST.encode(), start)
    return kallsyms[start : len(kallsyms) if last < 0 else kallsyms.find(b"\n", last) + 1]


def addresses_in(read_only: Sequence[bytes]) -> Mapping[str, int]:
    """Return the addresses of FIRST, LAST and BETWEEN; what is absent or hidden (kptr_restrict) is left out.

    Here and below, lines may be given in pieces, each of whole lines.
    """
    found = {name: _address_of(read_only, name.encode()) for name in (FIRST, *BETWEEN, LAST)}
    return {name: address for name, address in found.items() if address}


def entry_address(read_only: Sequence[bytes], name: bytes) -> int:
    """Return where the export entry of a symbol of vmlinux stands; 0 when there is none, or it is hidden."""
    return _address_of(read_only, ENTRY.encode() + name)


def module_entries(kallsyms: bytes) -> Iterator[ModuleEntry]:
    """Yield the export entries of loaded modules."""
    first = kallsyms.find(b"\t")
    if first < 0:
        return
    lines = kallsyms[kallsyms.rfind(b"\n", 0, first) + 1 :].split(b" " + ENTRY.encode())
    for before, piece in pairwise(lines):
        name, _, module = piece[: piece.find(b"\n")].partition(b"\t")
        if module:
            yield ModuleEntry(text(module.strip(b"[]")), text(name), _address_before(before, len(before)))


def exports_in(kallsyms: Fact[bytes]) -> Fact[Mapping[str, KernelExport]]:
    """Return the exports of vmlinux and of the loaded modules by name; the kernel searches vmlinux first.

    Before 7.0 the entries are two tables that are sorted each, and the second is that of GPL-only symbols: where
    the order breaks once, and only there, who is GPL-only is known without an address.
    """
    if not kallsyms.value:
        return unknown(kallsyms.source)
    names = _vmlinux_names(kallsyms.value)
    if not names:
        return unknown("/proc/kallsyms shows no __ksymtab_ entries of vmlinux (CONFIG_KALLSYMS_ALL is off?)")
    breaks = [at for at in range(1, len(names)) if names[at] < names[at - 1]]
    found = {entry.name: KernelExport(entry.module) for entry in module_entries(kallsyms.value)}
    if len(breaks) == 1:
        found.update(dict.fromkeys(map(text, names[: breaks[0]]), KernelExport(VMLINUX, gpl=False)))
        found.update(dict.fromkeys(map(text, names[breaks[0] :]), KernelExport(VMLINUX, gpl=True)))
    else:
        found.update(dict.fromkeys(map(text, names), KernelExport(VMLINUX)))
    return Fact(found, "__ksymtab_ entries of /proc/kallsyms (names only)")


def _vmlinux_names(kallsyms: bytes) -> list[bytes]:
    modules = kallsyms.find(b"\t")
    end = len(kallsyms) if modules < 0 else kallsyms.rfind(b"\n", 0, modules)
    return [piece[: piece.find(b"\n")] for piece in kallsyms[: end + 1].split(b" " + ENTRY.encode())[1:]]


def _address_of(kallsyms: Sequence[bytes], name: bytes) -> int:
    """Return a symbol's address; names of modules' symbols do not end their lines, and are not met."""
    ending = b" %s\n" % name
    for lines in kallsyms:
        at = lines.find(ending)
        if at >= 0:
            return _address_before(lines, at)
    return 0


def _address_before(kallsyms: bytes, at: int) -> int:
    """Return the address in the line whose name begins after `at`."""
    line = kallsyms[max(at - 40, 0) : at]
    try:
        return int(line[line.rfind(b"\n") + 1 :].partition(b" ")[0], 16)
    except ValueError:
        return 0


def features_in(kallsyms: Fact[bytes]) -> Fact[Mapping[str, bool]]:
    """Return which features of the loader show by the kernel's symbols."""
    listed = kallsyms.value
    if not listed:
        return unknown(kallsyms.source)
    # Without any __ksymtab_ entry the list has functions only, and that one is missing means nothing.
    has_export = (lambda name: lists_export([listed], name)) if b" __ksymtab_" in listed else None
    return Fact(features_shown(lambda name: lists([listed], name), None, has_export), "/proc/kallsyms")


def lists(kallsyms: Sequence[bytes], name: str) -> bool:
    """Tell whether the kernel itself has a symbol of that name."""
    ending = f" {name}\n".encode()
    return any(ending in lines for lines in kallsyms)


def lists_export(kallsyms: Sequence[bytes], name: str) -> bool:
    """Tell whether the kernel itself exports a symbol of that name."""
    return lists(kallsyms, f"__ksymtab_{name}")
