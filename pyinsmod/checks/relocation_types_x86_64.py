"""The relocations that the x86-64 loader applies: `__write_relocate_add` (arch/x86/kernel/module.c)."""

from __future__ import annotations

from pyinsmod.checks.relocation_kind import Pointers, RelocationKind, RelocationTypes

# Number in the ELF psABI → what it does. Every other number is refused, those of position-independent code among them.
KINDS: dict[int, RelocationKind] = {
    0: RelocationKind("R_X86_64_NONE", 0),
    1: RelocationKind("R_X86_64_64", 8),
    2: RelocationKind("R_X86_64_PC32", 4, relative=True),
    4: RelocationKind("R_X86_64_PLT32", 4, relative=True),
    10: RelocationKind("R_X86_64_32", 4, limits=(0, (1 << 32) - 1)),
    11: RelocationKind("R_X86_64_32S", 4, limits=(-(1 << 31), (1 << 31) - 1)),
    24: RelocationKind("R_X86_64_PC64", 8, relative=True),
}
NAMES: dict[int, str] = {
    3: "R_X86_64_GOT32",
    5: "R_X86_64_COPY",
    6: "R_X86_64_GLOB_DAT",
    7: "R_X86_64_JUMP_SLOT",
    8: "R_X86_64_RELATIVE",
    9: "R_X86_64_GOTPCREL",
    12: "R_X86_64_16",
    13: "R_X86_64_PC16",
    14: "R_X86_64_8",
    15: "R_X86_64_PC8",
    19: "R_X86_64_TLSGD",
    20: "R_X86_64_TLSLD",
    22: "R_X86_64_GOTTPOFF",
    23: "R_X86_64_TPOFF32",
    26: "R_X86_64_GOTPC32",
    41: "R_X86_64_GOTPCRELX",
    42: "R_X86_64_REX_GOTPCRELX",
}
TYPES = RelocationTypes(KINDS, NAMES, Pointers(near=2, wide=1, far=24), near=frozenset({11}), empty=True)
