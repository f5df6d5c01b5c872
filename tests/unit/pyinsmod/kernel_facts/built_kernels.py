"""Small kernels for the tests: a vmlinux built section by section, and a boot image around it."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Sequence
from typing import NamedTuple

ALLOC, PROGBITS, NOBITS = 2, 1, 8
BASE = 0xFFFFFFFF81000000
RELEASE = "6.1.0-50-cloud-amd64"
VERMAGIC = f"{RELEASE} SMP preempt mod_unload modversions "
SENTENCE = b"\x014%s: Unknown symbol %s (err %d)\n\0"


class Symbol(NamedTuple):
    """An export to build: its namespace is None for a distance of 0, which stands for NULL."""

    name: str
    crc: int = 0
    namespace: str | None = ""


class BuiltTables(NamedTuple):
    """Export tables with the strings they point to: entries at `address`, strings at `strings_at`."""

    address: int
    entries: bytes
    crcs: bytes
    strings_at: int
    strings: bytes

    def read(self, address: int, size: int) -> bytes:
        """Read the memory that the strings stand in."""
        return self.strings[max(address - self.strings_at, 0) :][:size]


def built_tables(symbols: Sequence[Symbol], address: int = BASE, strings_at: int = BASE + 0x10000) -> BuiltTables:
    """Lay the tables out as `struct kernel_symbol` of x86-64: three distances, each from its own address."""
    strings, entries = b"\0", b""
    for number, symbol in enumerate(symbols):
        entry = address + 12 * number
        name_at = strings_at + len(strings)
        strings += symbol.name.encode() + b"\0"
        namespace = 0
        if symbol.namespace is not None:
            namespace = strings_at + len(strings) - (entry + 8)
            strings += symbol.namespace.encode() + b"\0"
        entries += struct.pack("<iii", -0x1000, name_at - (entry + 4), namespace)
    crcs = b"".join(struct.pack("<I", symbol.crc) for symbol in symbols)
    return BuiltTables(address, entries, crcs, strings_at, strings)


class SectionToBuild(NamedTuple):
    """A section of a vmlinux."""

    name: str
    address: int
    content: bytes
    kind: int = PROGBITS


def elf_file(sections: Sequence[SectionToBuild], machine: int = 62, ident: bytes = b"\x7fELF\x02\x01\x01") -> bytes:
    """Return an executable with these sections."""
    names = b"\0"
    body, table = b"", b"\0" * 64
    all_names = b"\0" + b"".join(f"{section.name}\0".encode() for section in sections) + b".shstrtab\0"
    for section in (*sections, SectionToBuild(".shstrtab", 0, all_names)):
        header = (section.kind, ALLOC if section.address else 0, section.address, 64 + len(body), len(section.content))
        table += struct.pack("<IIQQQQIIQQ", len(names), *header, 0, 0, 1, 0)
        names += section.name.encode() + b"\0"
        body += b"" if section.kind == NOBITS else section.content
    count = len(sections) + 2
    head = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(ident.ljust(16, b"\0"), 2, machine, 1, 0, 0, 64 + len(body), 0, 64, 0, 0, 64, count, count - 1),
    )
    return head + body + table


def read_only_data(*texts: bytes, release: str = RELEASE, vermagic: str = VERMAGIC) -> bytes:
    """Return what .rodata of a kernel begins with, and more texts."""
    banner = f"Linux version {release} (somebody@somewhere) #1 SMP".encode()
    return b"\0".join((b"", banner, vermagic.encode(), SENTENCE, *texts, b""))


def parameters(*named: tuple[str, int, int], address: int) -> tuple[bytes, bytes]:
    """Return __param and the strings it points to, which stand at `address`; each has name, mode, value address."""
    table, strings = b"", b""
    for name, mode, value in named:
        table += struct.pack("<QQQHbBxxxxQ", address + len(strings), 0, 0, mode, -1, 0, value)
        strings += name.encode() + b"\0"
    return table, strings


def vmlinux(*more: SectionToBuild, texts: Sequence[bytes] = (), symbols: Sequence[Symbol] = ()) -> bytes:
    """Return a kernel that exports `symbols` (not GPL-only), with CRCs."""
    tables = built_tables(symbols or (Symbol("kmalloc", 1), Symbol("module_layout", 2)))
    return elf_file(
        [
            SectionToBuild(".rodata", BASE + 0x100000, read_only_data(*texts)),
            SectionToBuild("__ksymtab", tables.address, tables.entries),
            SectionToBuild("__kcrctab", BASE + 0x9000, tables.crcs),
            SectionToBuild("__ksymtab_strings", tables.strings_at, tables.strings),
            *more,
        ]
    )


def boot_image(packed: bytes) -> bytes:
    """Return a bzImage that holds a packed kernel (Documentation/arch/x86/boot.rst)."""
    setup = bytearray(1024)
    setup[0x1F1] = 1
    setup[0x202:0x206] = b"HdrS"
    setup[0x248:0x250] = struct.pack("<II", 16, len(packed))
    return bytes(setup) + b"\x90" * 16 + packed + b"\xcc" * 32


def vmlinuz(*more: SectionToBuild, texts: Sequence[bytes] = (), symbols: Sequence[Symbol] = ()) -> bytes:
    """Return a boot image with such a kernel."""
    return boot_image(gzip.compress(vmlinux(*more, texts=texts, symbols=symbols), 1))
