"""The symbols a module offers to others, read from its export tables: nothing is judged here.

The kernel goes by the strings that the entries' relocations lead to (`struct kernel_symbol`, include/linux/export.h).
The symbols `__ksymtab_NAME` and `__kstrtabns_NAME` beside them say the same in every module that was built and not
changed afterwards; they stand in for a relocation that is missing.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.elf_format import Symbol
from pyinsmod.errors import MalformedModule
from pyinsmod.lean import Mapping, NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyinsmod.module_image import ModuleImage

PREFIX = "__ksymtab_"

# Offsets of `value`, `name` and `namespace` where they are distances: x86-64 and arm64.
NAME_AT, NAMESPACE_AT, ENTRY_SIZE = 4, 8, 12


class Export(NamedTuple):
    """A symbol the module offers to others; `gpl` and `namespace` as EXPORT_SYMBOL_* put them."""

    name: str
    gpl: bool
    namespace: str | None


def exports_of(image: ModuleImage) -> tuple[Export, ...]:
    """Return the exported symbols, by their `__ksymtab_NAME` entries, in the symbol table's order.

    Raises:
        MalformedModule: the symbols cannot be read, or one lies in no section.
    """
    defined = {symbol.name: symbol for symbol in image.symbols if symbol.section != elf.SHN_UNDEF}
    entries = [symbol for name, symbol in defined.items() if name.startswith(PREFIX)]
    strings = _strings(image, {entry.section for entry in entries})
    word = elf.EXPORT_ADDRESSES.get(image.header.machine, elf.EXPORT_DISTANCE)
    return tuple(
        Export(
            strings.get((entry.section, entry.value + word), entry.name[len(PREFIX) :]),
            _gpl_only(image, entry, defined),
            _namespace(image, entry, defined, strings),
        )
        for entry in entries
    )


def _strings(image: ModuleImage, tables: set[int]) -> Mapping[tuple[int, int], str]:
    """Return the string that each place in the export tables is to lead to: (section, offset) → string.

    A PREL32 field holds what is left of the target's address when its own is taken away, so that the target is just
    symbol and addend.
    """
    found: dict[tuple[int, int], str] = {}
    symbols = image.symbols
    word = elf.EXPORT_ADDRESSES.get(image.header.machine, elf.EXPORT_DISTANCE)
    for relocation in image.relocations(tables) if tables else ():
        if relocation.symbol < len(symbols) and relocation.offset % (3 * word) >= word:
            target = symbols[relocation.symbol]
            value = target.value + (relocation.addend or 0)
            text = _text_at(image, target.section, value)
            if text is not None:
                found[relocation.section, relocation.offset] = text
    return found


def _gpl_only(image: ModuleImage, entry: Symbol, defined: Mapping[str, Symbol]) -> bool:
    """Read GPL-only from the table's name, or from the `__kflagstab` byte (bit 0) of 7.x modules."""
    flags = defined.get(entry.name.replace(PREFIX, "__flags_", 1))
    if flags is not None:
        return _text_of(image, flags, "export flags")[:1] == "\x01"
    return entry.section < len(image.sections) and image.sections[entry.section].name.endswith("_gpl")


def _namespace(
    image: ModuleImage, entry: Symbol, defined: Mapping[str, Symbol], strings: Mapping[tuple[int, int], str]
) -> str | None:
    word = elf.EXPORT_ADDRESSES.get(image.header.machine, elf.EXPORT_DISTANCE)
    told = strings.get((entry.section, entry.value + 2 * word))
    if told is not None:
        return told or None
    where = defined.get(entry.name.replace(PREFIX, "__kstrtabns_", 1))
    return (_text_of(image, where, "namespace") or None) if where is not None else None


def _text_of(image: ModuleImage, symbol: Symbol, what: str) -> str:
    """Return the string a symbol stands for."""
    if symbol.section >= len(image.sections):
        raise MalformedModule(f"{what} '{symbol.name}' lies in section {symbol.section}, which does not exist")
    return _text_at(image, symbol.section, symbol.value) or ""


def _text_at(image: ModuleImage, number: int, offset: int) -> str | None:
    """Return the string there, cut when very long: many entries may share one of a megabyte."""
    if not 0 < number < len(image.sections):
        return None
    section = image.sections[number]
    inside = section.type != elf.SHT_NOBITS and 0 <= offset < section.size
    return image.text_at(section.offset + offset) if inside else None
