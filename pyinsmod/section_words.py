"""Section types and flags as readelf(1) of binutils writes them. Data, and two functions that look it up."""

from __future__ import annotations

TYPES = {
    0: "NULL",
    1: "PROGBITS",
    2: "SYMTAB",
    3: "STRTAB",
    4: "RELA",
    5: "HASH",
    6: "DYNAMIC",
    7: "NOTE",
    8: "NOBITS",
    9: "REL",
    10: "SHLIB",
    11: "DYNSYM",
    14: "INIT_ARRAY",
    15: "FINI_ARRAY",
    16: "PREINIT_ARRAY",
    17: "GROUP",
    18: "SYMTAB SECTION INDICES",
    0x6FFF4C04: "LLVM_LINKER_OPTIONS",
    0x70000001: "X86_64_UNWIND",
}

FLAGS = {
    1 << 0: "W",
    1 << 1: "A",
    1 << 2: "X",
    1 << 4: "M",
    1 << 5: "S",
    1 << 6: "I",
    1 << 7: "L",
    1 << 8: "O",
    1 << 9: "G",
    1 << 10: "T",
    1 << 11: "C",
    1 << 31: "E",
}


def section_type(number: int) -> str:
    """Return `PROGBITS`; a type without a name as a number."""
    return TYPES.get(number, f"{number:#x}")


def flag_letters(flags: int) -> str:
    """Return `WAX`; bits without a letter follow as a number."""
    letters = "".join(letter for bit, letter in FLAGS.items() if flags & bit)
    unknown = flags & ~sum(FLAGS)
    return letters + (f"+{unknown:#x}" if unknown else "")
