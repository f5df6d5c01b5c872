"""The `__versions` section of a module: the CRC of each symbol it was built against.

Records are `struct modversion_info` of `include/linux/module.h`: an unsigned long and a name, 64 bytes
together. Kernels without MODVERSIONS have modules without the section.
"""

from __future__ import annotations

import struct

from pyinsmod.elf_format import SHN_UNDEF
from tracer.experiments.errors import FaultNotApplicable, UnsuitableDonor
from tracer.experiments.relocatable import Relocatable

VERSIONS = "__versions"
_RECORD = struct.Struct("<Q56s")
LONGEST_NAME = 55  # and the NUL


def crc_of(module: Relocatable, symbol: str) -> int | None:
    """Return the CRC recorded for a symbol; None if there is no record (or no section)."""
    offset = _record_offset(module, symbol)
    if offset is None:
        return None
    crc: int = _RECORD.unpack_from(module.section(VERSIONS).content, offset)[0]
    return crc


def set_crc(module: Relocatable, symbol: str, crc: int) -> None:
    """Change the CRC recorded for a symbol.

    Raises:
        FaultNotApplicable: the module has no CRC for it.
    """
    offset = _record_offset(module, symbol)
    if offset is None:
        raise FaultNotApplicable(f"the module carries no CRC for '{symbol}'")
    struct.pack_into("<Q", module.section(VERSIONS).content, offset, crc)


def add_import(module: Relocatable, symbol: str, crc: int | None) -> int:
    """Make a module import a symbol and return its index; nothing changes if it does already.

    Raises:
        UnsuitableDonor: the module carries CRCs and none is known for the symbol.
    """
    index = _imported_index(module, symbol)
    if index is not None:
        return index
    if module.find(VERSIONS) is not None:
        if crc is None:
            raise UnsuitableDonor(f"modules of this kernel carry CRCs, and none is known for '{symbol}'")
        module.append(VERSIONS, _RECORD.pack(crc, symbol.encode()))
    return module.add_symbol(symbol)


def imports(module: Relocatable) -> list[str]:
    """Return the names of all symbols the module imports, in symbol table order."""
    return [symbol.name for symbol in module.symbols() if symbol.shndx == SHN_UNDEF and symbol.name]


def _imported_index(module: Relocatable, symbol: str) -> int | None:
    index = module.symbol_index(symbol)
    return index if index is not None and module.symbols()[index].shndx == SHN_UNDEF else None


def _record_offset(module: Relocatable, symbol: str) -> int | None:
    section = module.find(VERSIONS)
    wanted = symbol.encode()
    if section is None:
        return None
    whole = bytes(section.content[: len(section.content) // _RECORD.size * _RECORD.size])
    names = (name.rstrip(b"\0") for _, name in _RECORD.iter_unpack(whole))
    return next((number * _RECORD.size for number, name in enumerate(names) if name == wanted), None)
