"""The few ELF structures a kernel module is made of, unpacked without any judgement.

Only the 64-bit little-endian layout is known. Like the kernel, which lays `struct elf64_hdr` over the bytes
(`elf_validity_ehdr`, kernel/module/main.c), nothing here looks at EI_CLASS or EI_DATA: a file with other
identification bytes is still read this way, because that is what the loader would do with it.
Structures: elf(5), include/uapi/linux/elf.h.
"""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, NamedTuple, TypeAlias, struct

if TYPE_CHECKING:
    import mmap  # noqa: F401 - stands in a string

Data: TypeAlias = "bytes | mmap.mmap"

MAGIC = b"\x7fELF"
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SECTION = struct.Struct("<IIQQQQIIQQ")
SYMBOL = struct.Struct("<IBBHQQ")
REL = struct.Struct("<QQ")
RELA = struct.Struct("<QQq")

ET_REL = 1
SHT_NULL, SHT_PROGBITS, SHT_SYMTAB, SHT_STRTAB, SHT_RELA, SHT_NOBITS, SHT_REL = 0, 1, 2, 3, 4, 8, 9
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
# The loader's own bits: include/linux/elf.h, include/uapi/linux/elf.h.
SHF_RELA_LIVEPATCH, SHF_RO_AFTER_INIT = 0x00100000, 0x00200000
SHN_UNDEF, SHN_LORESERVE, SHN_LIVEPATCH, SHN_ABS, SHN_COMMON = 0, 0xFF00, 0xFF20, 0xFFF1, 0xFFF2
STB_WEAK = 2
EM_X86_64, EM_AARCH64, EM_RISCV = 62, 183, 243

# Bytes of each of the three members of struct kernel_symbol (include/linux/export-internal.h): most architectures have
# CONFIG_HAVE_ARCH_PREL32_RELOCATIONS and distances of 32 bits there, these have addresses.
EXPORT_DISTANCE = 4
EXPORT_ADDRESSES = {EM_RISCV: 8}

PAGE = 4096

TYPE_NAMES = {
    0: "ET_NONE (no type)",
    1: "ET_REL (relocatable)",
    2: "ET_EXEC (executable)",
    3: "ET_DYN (shared object)",
    4: "ET_CORE (core)",
}
MACHINE_NAMES = {
    3: "i386",
    8: "mips",
    20: "ppc",
    21: "ppc64",
    22: "s390x",
    40: "arm",
    62: "x86_64",
    183: "aarch64",
    243: "riscv64",
    258: "loongarch64",
}


class ElfHeader(NamedTuple):
    """`Elf64_Ehdr`, field by field."""

    ident: bytes
    type: int
    machine: int
    version: int
    entry: int
    phoff: int
    shoff: int
    flags: int
    ehsize: int
    phentsize: int
    phnum: int
    shentsize: int
    shnum: int
    shstrndx: int


class SectionHeader(NamedTuple):
    """`Elf64_Shdr`; `name` is still an offset into the section name table."""

    name: int
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int

    def end(self) -> int:
        """Return the file offset just after the section; a NOBITS section takes no room in the file."""
        return self.offset if self.type == SHT_NOBITS else self.offset + self.size


class Section(NamedTuple):
    """A section with its name read and its place in the table."""

    number: int
    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entsize: int

    @property
    def in_memory(self) -> bool:
        """Tell whether the loader would find the section by name (`find_sec` looks at SHF_ALLOC only)."""
        return bool(self.flags & SHF_ALLOC)


class Symbol(NamedTuple):
    """`Elf64_Sym` with its name read."""

    number: int
    name: str
    info: int
    other: int
    section: int
    value: int
    size: int

    @property
    def weak(self) -> bool:
        """Tell whether the symbol may stay unresolved (STB_WEAK)."""
        return self.info >> 4 == STB_WEAK


class Relocation(NamedTuple):
    """One entry of a SHT_RELA or SHT_REL section; `section` is the index of the section it patches."""

    section: int
    offset: int
    type: int
    symbol: int
    addend: int | None


def machine_name(machine: int) -> str:
    """Return the architecture as uname(1) spells it, or the bare number."""
    return MACHINE_NAMES.get(machine, f"ELF machine {machine}")


def text(raw: bytes) -> str:
    """Return bytes of a module as text that keeps undecodable bytes (surrogateescape)."""
    return raw.decode("utf-8", "surrogateescape")


def page_end(size: int) -> int:
    """Return `size` rounded up to whole pages of memory."""
    return -(-size // PAGE) * PAGE
