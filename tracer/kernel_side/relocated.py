"""Whether relocations were applied: a loaded module's memory held against its file.

Each relocation entry says which bytes of which section get which value. After a load the sections'
addresses stand in /sys/module/NAME/sections, the symbols' in /proc/kallsyms and the bytes in /proc/kcore, so
every value can be computed and compared. Bytes that hold another value were patched again afterwards by
the architecture's own code (`module_finalize`: ftrace call sites, alternatives, return thunks).
"""

from __future__ import annotations

import platform
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyinsmod.kernel_facts.kcore import read_memory
from pyinsmod.module_image import ModuleImage

KALLSYMS = Path("/proc/kallsyms")
KCORE = "/proc/kcore"
EXPORT = b"__ksymtab_"  # before an export's name stands the name of its entry in the kernel's table
WORD = 1 << 64
# What `remember_symbols` found, by name.
_remembered: dict[str, set[int]] = {}


@dataclass(frozen=True)
class RelocationType:
    """How wide the value is, whether it is relative to its own place, and what it usually points at."""

    width: int
    relative: bool
    group: str


# psABI of each architecture; relocations of other types are counted as `other`.
TYPES: dict[str, dict[int, RelocationType]] = {
    "x86_64": {
        1: RelocationType(8, relative=False, group="globals"),  # R_X86_64_64
        2: RelocationType(4, relative=True, group="globals"),  # R_X86_64_PC32
        4: RelocationType(4, relative=True, group="functions"),  # R_X86_64_PLT32
        10: RelocationType(4, relative=False, group="globals"),  # R_X86_64_32
        11: RelocationType(4, relative=False, group="globals"),  # R_X86_64_32S
    }
}


@dataclass
class _Tally:
    sites: int = 0
    fixed: int = 0
    patched_again: int = 0
    examples: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, site: dict[str, Any], *, fixed: bool) -> None:
        self.sites += 1
        self.fixed += fixed
        self.patched_again += not fixed
        self.examples.setdefault("fixed" if fixed else "patched_again", site)


def relocation_record(name: str, image: ModuleImage, sections: Mapping[str, str]) -> dict[str, Any]:
    """Return a `state` record of kind `relocations` for a loaded module.

    Args:
        name: the module's name.
        image: its file.
        sections: section name → address, as /sys/module/NAME/sections has them.

    Raises:
        OSError, ValueError: /proc/kcore or /proc/kallsyms cannot be read.
    """
    addresses = {section: int(address, 16) for section, address in sections.items()}
    kernel = _kernel_addresses({symbol.name for symbol in image.undefined_symbols})
    tallies: dict[str, _Tally] = defaultdict(_Tally)
    for group, site, fixed in _sites(image, addresses, kernel):
        tallies[group].add(site, fixed=fixed)
    return {
        "type": "state",
        "t": time.monotonic_ns(),
        "what": "relocations",
        "moment": "after",
        "module": name,
        **{
            group: {
                "sites": tally.sites, "fixed": tally.fixed, "patched_again": tally.patched_again,
                "examples": tally.examples,
            }
            for group, tally in tallies.items()
        },
    }  # fmt: skip


def _sites(
    image: ModuleImage, addresses: Mapping[str, int], kernel: Mapping[str, set[int]]
) -> Iterator[tuple[str, dict[str, Any], bool]]:
    types = TYPES.get(platform.machine(), {})
    memory: dict[int, bytes] = {}
    symbols, all_sections = image.symbols, image.sections
    for entry in image.relocations():
        section, kind = all_sections[entry.section], types.get(entry.type)
        # Initialisation sections are freed after a load and may hold anything by now.
        if kind is None or section.name not in addresses or section.name.startswith(".init"):
            continue
        if entry.section not in memory:
            memory[entry.section] = read_memory(KCORE, addresses[section.name], section.size)
        place = addresses[section.name] + entry.offset
        symbol = symbols[entry.symbol]
        targets = _targets(symbol.name, symbol.section, symbol.value, image, addresses, kernel)
        if not targets:
            continue
        found = memory[entry.section][entry.offset : entry.offset + kind.width]
        origin = place if kind.relative else 0
        wanted = {_packed(target + (entry.addend or 0) - origin, kind.width) for target in targets}
        site = {
            "section": section.name,
            "offset": entry.offset,
            "symbol": symbol.name or section.name,
            "file": image.section_bytes(section)[entry.offset : entry.offset + kind.width].hex(),
            "memory": found.hex(),
            "points_at": f"{min(targets):#x}",
        }
        yield kind.group, site, found in wanted


def _targets(
    name: str,
    section: int,
    value: int,
    image: ModuleImage,
    addresses: Mapping[str, int],
    kernel: Mapping[str, set[int]],
) -> set[int]:
    """Return the addresses the symbol may have; static symbols can share a name in /proc/kallsyms."""
    if section == 0:
        return kernel.get(name, set())
    if section >= len(image.sections) or image.sections[section].name not in addresses:
        return set()
    return {addresses[image.sections[section].name] + value}


def remember_symbols() -> None:
    """Keep the addresses of what the kernel itself exports, so that traces of this process need not look them up.

    They stay until the next boot. Printing the list of all symbols takes the kernel longer than most loads.
    """
    lines = [line.split() for line in KALLSYMS.read_bytes().split(b"\n") if b"\t" not in line]
    exported = {line[2].removeprefix(EXPORT) for line in lines if line and line[2].startswith(EXPORT)}
    for address, _, name in filter(None, lines):
        if name in exported:
            _remembered.setdefault(name.decode(), set()).add(int(address, 16))


def _kernel_addresses(names: set[str]) -> Mapping[str, set[int]]:
    """Find the names in /proc/kallsyms; searching the text whole is several times faster than its lines."""
    if names <= _remembered.keys():
        return _remembered
    text = KALLSYMS.read_bytes()
    return {name: addresses for name in names if (addresses := set(_addresses_of(name.encode(), text)))}


def _addresses_of(name: bytes, text: bytes) -> Iterator[int]:
    for ending in (b"\n", b"\t"):  # a tab stands before the module a symbol belongs to
        wanted = b" " + name + ending
        at = text.find(wanted)
        while at >= 0:
            start = text.rfind(b"\n", 0, at) + 1
            yield int(text[start:at].split()[0], 16)
            at = text.find(wanted, at + 1)


def _packed(value: int, width: int) -> bytes:
    return (value % WORD).to_bytes(8, "little")[:width]
