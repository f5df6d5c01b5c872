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
from collections.abc import Callable, Iterator, Mapping
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


Bits = Callable[[int, int], int]
"""(what it leads to, the place itself) → the bits that say so."""


@dataclass(frozen=True)
class RelocationType:
    """How wide the place is, what it usually points at, and which of its bits say where to.

    `by_way` tells where a branch leads that goes to a helper first, which does the rest of the way.
    """

    width: int
    group: str
    bits: Bits
    mask: int
    by_way: Callable[[int, bytes], int | None] | None = None

    def says(self, content: bytes, target: int, place: int) -> bool:
        """Tell whether what stands at the place leads to the target."""
        found = int.from_bytes(content, "little")
        return (found ^ self.bits(target, place)) & self.mask == 0


def _data(width: int, group: str, *, relative: bool) -> RelocationType:
    bits: Bits = (lambda target, place: target - place) if relative else (lambda target, _place: target)
    return RelocationType(width, group, bits, (1 << 8 * width) - 1)


# --- AArch64: the fields of instructions (Arm Architecture Reference Manual, C4.1)


def _page(target: int, place: int) -> int:
    pages = (target >> 12) - (place >> 12)
    return (pages & 3) << 29 | (pages >> 2 & 0x7FFFF) << 5


def _lower(scale: int) -> RelocationType:
    return RelocationType(4, "globals", lambda target, _place: (target & 0xFFF) >> scale << 10, 0xFFF << 10)


def _by_plt(place: int, branch: bytes) -> int | None:
    """Return where a branch leads by way of an entry of .plt: adrp x16; add x16, x16, #lower; br x16."""
    distance = int.from_bytes(branch, "little") & 0x3FFFFFF
    entry = place + ((distance ^ 1 << 25) - (1 << 25)) * 4
    content = read_memory(KCORE, entry, 12)
    adrp, add, jump = (int.from_bytes(content[at : at + 4], "little") for at in (0, 4, 8))
    if jump != 0xD61F0200 or adrp & 0x9F00001F != 0x90000010 or add & 0xFFC003FF != 0x91000210:
        return None
    pages = (adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3
    return ((entry >> 12) + (pages ^ 1 << 20) - (1 << 20) << 12) + (add >> 10 & 0xFFF)


_BRANCH = RelocationType(4, "functions", lambda target, place: target - place >> 2, 0x3FFFFFF, _by_plt)


def _upper(target: int, place: int) -> int:
    return target - place + 0x800


# psABI of each architecture; relocations of other types are not looked at.
TYPES: dict[str, dict[int, RelocationType]] = {
    "x86_64": {
        1: _data(8, "globals", relative=False),  # R_X86_64_64
        2: _data(4, "globals", relative=True),  # R_X86_64_PC32
        4: _data(4, "functions", relative=True),  # R_X86_64_PLT32
        10: _data(4, "globals", relative=False),  # R_X86_64_32
        11: _data(4, "globals", relative=False),  # R_X86_64_32S
    },
    "aarch64": {
        257: _data(8, "globals", relative=False),  # R_AARCH64_ABS64
        261: _data(4, "globals", relative=True),  # R_AARCH64_PREL32
        275: RelocationType(4, "globals", _page, 0x60FFFFE0),  # R_AARCH64_ADR_PREL_PG_HI21
        277: _lower(0),  # R_AARCH64_ADD_ABS_LO12_NC
        278: _lower(0),  # R_AARCH64_LDST8_ABS_LO12_NC
        284: _lower(1),  # R_AARCH64_LDST16_ABS_LO12_NC
        285: _lower(2),  # R_AARCH64_LDST32_ABS_LO12_NC
        286: _lower(3),  # R_AARCH64_LDST64_ABS_LO12_NC
        282: _BRANCH,  # R_AARCH64_JUMP26
        283: _BRANCH,  # R_AARCH64_CALL26
    },
    # Of a pair of instructions the first, auipc, holds the upper twenty bits of a distance (RISC-V ELF psABI).
    "riscv64": {
        2: _data(8, "globals", relative=False),  # R_RISCV_64
        57: _data(4, "globals", relative=True),  # R_RISCV_32_PCREL
        18: RelocationType(4, "functions", _upper, 0xFFFFF000),  # R_RISCV_CALL
        19: RelocationType(4, "functions", _upper, 0xFFFFF000),  # R_RISCV_CALL_PLT
        23: RelocationType(4, "globals", _upper, 0xFFFFF000),  # R_RISCV_PCREL_HI20
    },
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
        wanted = {(target + (entry.addend or 0)) % WORD for target in targets}
        site = {
            "section": section.name,
            "offset": entry.offset,
            "symbol": symbol.name or section.name,
            "file": image.section_bytes(section)[entry.offset : entry.offset + kind.width].hex(),
            "memory": found.hex(),
            "points_at": f"{min(targets):#x}",
        }
        fixed = any(kind.says(found, target, place) for target in wanted)
        if not fixed and kind.by_way is not None:
            fixed = kind.by_way(place, found) in wanted
        yield kind.group, site, fixed


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
