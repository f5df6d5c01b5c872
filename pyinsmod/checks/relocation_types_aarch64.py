"""The relocations that the arm64 loader applies: `apply_relocate_add` (arch/arm64/kernel/module.c).

Numbers and names are those of the ELF ABI for the Arm 64-bit architecture (aaelf64). An immediate of N bits that counts
units of 1 << S bytes takes values of N + S bits; those whose name ends in _NC, and whole words, take any value.
"""

from __future__ import annotations

from pyinsmod.checks.relocation_kind import RelocationKind


def _signed(bits: int) -> tuple[int, int]:
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _unsigned(bits: int) -> tuple[int, int]:
    return 0, (1 << bits) - 1


def _data(name: str, bytes_: int, limits: tuple[int, int] | None = None) -> RelocationKind:
    return RelocationKind(f"R_AARCH64_{name}", bytes_, relative=name.startswith("PREL"), limits=limits)


def _absolute(name: str, limits: tuple[int, int] | None = None) -> RelocationKind:
    return RelocationKind(f"R_AARCH64_{name}", 4, limits=limits)


def _relative(name: str, limits: tuple[int, int] | None = None) -> RelocationKind:
    return RelocationKind(f"R_AARCH64_{name}", 4, relative=True, limits=limits)


KINDS: dict[int, RelocationKind] = {
    0: RelocationKind("R_ARM_NONE", 0),
    256: RelocationKind("R_AARCH64_NONE", 0),
    # Data. The ABI leaves open whether narrow ones are signed; the kernel has chosen.
    257: _data("ABS64", 8),
    258: _data("ABS32", 4, _unsigned(32)),
    259: _data("ABS16", 2, _unsigned(16)),
    260: _data("PREL64", 8),
    261: _data("PREL32", 4, _signed(32)),
    262: _data("PREL16", 2, _signed(16)),
    # Sixteen bits of a constant each: signed ones have MOVN for what is below 0, and so a bit more.
    263: _absolute("MOVW_UABS_G0", _unsigned(16)),
    264: _absolute("MOVW_UABS_G0_NC"),
    265: _absolute("MOVW_UABS_G1", _unsigned(32)),
    266: _absolute("MOVW_UABS_G1_NC"),
    267: _absolute("MOVW_UABS_G2", _unsigned(48)),
    268: _absolute("MOVW_UABS_G2_NC"),
    269: _absolute("MOVW_UABS_G3"),
    270: _absolute("MOVW_SABS_G0", _signed(17)),
    271: _absolute("MOVW_SABS_G1", _signed(33)),
    272: _absolute("MOVW_SABS_G2", _signed(49)),
    287: _relative("MOVW_PREL_G0", _signed(17)),
    288: _relative("MOVW_PREL_G0_NC"),
    289: _relative("MOVW_PREL_G1", _signed(33)),
    290: _relative("MOVW_PREL_G1_NC"),
    291: _relative("MOVW_PREL_G2", _signed(49)),
    292: _relative("MOVW_PREL_G2_NC"),
    293: _relative("MOVW_PREL_G3"),
    # Addresses within reach: 19 and 21 bits, 21 bits of pages, and the lower twelve of any address.
    273: _relative("LD_PREL_LO19", _signed(21)),
    274: _relative("ADR_PREL_LO21", _signed(21)),
    275: _relative("ADR_PREL_PG_HI21", _signed(33)),
    276: _relative("ADR_PREL_PG_HI21_NC"),
    277: _absolute("ADD_ABS_LO12_NC"),
    278: _absolute("LDST8_ABS_LO12_NC"),
    284: _absolute("LDST16_ABS_LO12_NC"),
    285: _absolute("LDST32_ABS_LO12_NC"),
    286: _absolute("LDST64_ABS_LO12_NC"),
    299: _absolute("LDST128_ABS_LO12_NC"),
    # Branches. What is further than 26 bits reach goes by way of an entry in .plt, which is made for it.
    279: _relative("TSTBR14", _signed(16)),
    280: _relative("CONDBR19", _signed(21)),
    282: _relative("JUMP26"),
    283: _relative("CALL26"),
}
NAMES: dict[int, str] = {
    300: "R_AARCH64_MOVW_GOTOFF_G0",
    307: "R_AARCH64_GOTREL64",
    308: "R_AARCH64_GOTREL32",
    309: "R_AARCH64_GOT_LD_PREL19",
    310: "R_AARCH64_LD64_GOTOFF_LO15",
    311: "R_AARCH64_ADR_GOT_PAGE",
    312: "R_AARCH64_LD64_GOT_LO12_NC",
    313: "R_AARCH64_LD64_GOTPAGE_LO15",
    314: "R_AARCH64_PLT32",
    315: "R_AARCH64_GOTPCREL32",
    513: "R_AARCH64_TLSGD_ADR_PAGE21",
    541: "R_AARCH64_TLSIE_ADR_GOTTPREL_PAGE21",
    549: "R_AARCH64_TLSLE_ADD_TPREL_HI12",
    1024: "R_AARCH64_COPY",
    1025: "R_AARCH64_GLOB_DAT",
    1026: "R_AARCH64_JUMP_SLOT",
    1027: "R_AARCH64_RELATIVE",
}
