"""The relocations that the arm64 loader applies: `apply_relocate_add` (arch/arm64/kernel/module.c).

Numbers and names are those of the ELF ABI for the Arm 64-bit architecture (aaelf64). An immediate of N bits that counts
units of 1 << S bytes takes values of N + S bits; those whose name ends in _NC, and whole words, take any value.
"""

from __future__ import annotations

from pyinsmod.checks.relocation_kind import Field, Pointers, RelocationKind, RelocationTypes

NO_LIMITS = None


def _signed(bits: int) -> tuple[int, int]:
    return -(1 << bits - 1), (1 << bits - 1) - 1


def _unsigned(bits: int) -> tuple[int, int]:
    return 0, (1 << bits) - 1


def _data(name: str, bytes_: int, limits: tuple[int, int] | None = NO_LIMITS) -> RelocationKind:
    return RelocationKind(f"R_AARCH64_{name}", bytes_, relative=name.startswith("PREL"), limits=limits)


def _constant(name: str, group: int, limits: tuple[int, int] | None = NO_LIMITS) -> RelocationKind:
    """Return a kind of MOVZ and MOVK; signed ones are made MOVN for what is below 0."""
    signed = (group == 3 and name.startswith("PREL")) or (limits is not None and limits[0] < 0)
    field = Field("move" if signed else "immediate16", 16 * group, 16)
    return RelocationKind(f"R_AARCH64_MOVW_{name}", 4, relative=name.startswith("PREL"), limits=limits, field=field)


def _lower(name: str, first: int) -> RelocationKind:
    """Return a kind of the lower twelve bits of an address, in units of 1 << `first` bytes."""
    return RelocationKind(f"R_AARCH64_{name}_ABS_LO12_NC", 4, field=Field("immediate12", first, 12 - first))


def _relative(name: str, put: str, first: int, length: int) -> RelocationKind:
    field = Field(put, first, length)
    return RelocationKind(f"R_AARCH64_{name}", 4, relative=True, limits=_signed(first + length), field=field)


_PAGE = _relative("ADR_PREL_PG_HI21", "address", 12, 21)._replace(page=True)
_BRANCH = _relative("CALL26", "immediate26", 2, 26)

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
    263: _constant("UABS_G0", 0, _unsigned(16)),
    264: _constant("UABS_G0_NC", 0),
    265: _constant("UABS_G1", 1, _unsigned(32)),
    266: _constant("UABS_G1_NC", 1),
    267: _constant("UABS_G2", 2, _unsigned(48)),
    268: _constant("UABS_G2_NC", 2),
    269: _constant("UABS_G3", 3),
    270: _constant("SABS_G0", 0, _signed(17)),
    271: _constant("SABS_G1", 1, _signed(33)),
    272: _constant("SABS_G2", 2, _signed(49)),
    287: _constant("PREL_G0", 0, _signed(17)),
    288: _constant("PREL_G0_NC", 0),
    289: _constant("PREL_G1", 1, _signed(33)),
    290: _constant("PREL_G1_NC", 1),
    291: _constant("PREL_G2", 2, _signed(49)),
    292: _constant("PREL_G2_NC", 2),
    293: _constant("PREL_G3", 3),
    # Addresses within reach: 19 and 21 bits, 21 bits of pages, and the lower twelve of any address.
    273: _relative("LD_PREL_LO19", "immediate19", 2, 19),
    274: _relative("ADR_PREL_LO21", "address", 0, 21),
    275: _PAGE,
    276: _PAGE._replace(name=f"{_PAGE.name}_NC", limits=NO_LIMITS),
    277: _lower("ADD", 0),
    278: _lower("LDST8", 0),
    284: _lower("LDST16", 1),
    285: _lower("LDST32", 2),
    286: _lower("LDST64", 3),
    299: _lower("LDST128", 4),
    # Branches. What is further than 26 bits reach goes by way of an entry in .plt, which is made for it.
    279: _relative("TSTBR14", "immediate14", 2, 14),
    280: _relative("CONDBR19", "immediate19", 2, 19),
    282: _BRANCH._replace(name="R_AARCH64_JUMP26"),
    283: _BRANCH,
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
# Modules and kernel lie within two gigabytes (`module_init_limits`).
_HOLDING_ALL = frozenset({261, 275, 289, 291})
BRANCHES = frozenset({282, 283})
TYPES = RelocationTypes(
    KINDS,
    NAMES,
    Pointers(near=261, wide=257, far=260),
    near=_HOLDING_ALL,
    branches=BRANCHES,
    unknown="unsupported RELA relocation: {}",
)
