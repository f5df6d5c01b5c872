"""The relocations that the RISC-V loader applies: `reloc_handlers` (arch/riscv/kernel/module.c).

Numbers and names are those of the RISC-V ELF psABI. Only of distances with 32 bits does the loader look whether they
fit; of branches it takes the bits that there are. Those of a global offset table, for which not every configuration has
room, are not looked at here.
"""

from __future__ import annotations

from pyinsmod.checks.relocation_kind import Pointers, RelocationKind, RelocationTypes

# `riscv_insn_valid_32bit_offset`: what auipc and twelve signed bits reach.
_REACH = (-(1 << 31) - (1 << 11), (1 << 31) - (1 << 11) - 1)

_WIDTHS = {
    1: {"SET6": 53, "SET8": 54, "ADD8": 33, "SUB6": 52, "SUB8": 37},
    2: {"SET16": 55, "ADD16": 34, "SUB16": 38, "RVC_BRANCH": 44, "RVC_JUMP": 45},
    4: {
        "BRANCH": 16,
        "JAL": 17,
        "PCREL_LO12_I": 24,
        "PCREL_LO12_S": 25,
        "HI20": 26,
        "LO12_I": 27,
        "LO12_S": 28,
        "ADD32": 35,
        "SUB32": 39,
        "SET32": 56,
        "32_PCREL": 57,
    },
    8: {"64": 2, "ADD64": 36, "SUB64": 40},
}
KINDS: dict[int, RelocationKind] = {
    0: RelocationKind("R_RISCV_NONE", 0),
    51: RelocationKind("R_RISCV_RELAX", 0),
    1: RelocationKind("R_RISCV_32", 4, limits=(0, (1 << 32) - 1)),
    **{
        number: RelocationKind(f"R_RISCV_{name}", width)
        for width, names in _WIDTHS.items()
        for name, number in names.items()
    },
    18: RelocationKind("R_RISCV_CALL", 8, relative=True, limits=_REACH),
    19: RelocationKind("R_RISCV_CALL_PLT", 8, relative=True, limits=_REACH),
    23: RelocationKind("R_RISCV_PCREL_HI20", 4, relative=True, limits=_REACH),
}
NAMES: dict[int, str] = {
    3: "R_RISCV_RELATIVE",
    4: "R_RISCV_COPY",
    5: "R_RISCV_JUMP_SLOT",
    20: "R_RISCV_GOT_HI20",
    21: "R_RISCV_TLS_GOT_HI20",
    22: "R_RISCV_TLS_GD_HI20",
    43: "R_RISCV_ALIGN",
    59: "R_RISCV_PLT32",
    60: "R_RISCV_SET_ULEB128",
    61: "R_RISCV_SUB_ULEB128",
}
TYPES = RelocationTypes(
    KINDS,
    NAMES,
    Pointers(near=35, wide=2, far=36, along=frozenset({39, 40})),
    near=frozenset({18, 19, 23}),
    halves=(frozenset({24, 25}), frozenset({23})),
    unknown="Unknown relocation type {}",
    followed=False,
)
