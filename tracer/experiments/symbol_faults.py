"""Faults of a module's symbols, symbol versions and exports, put in while it is still in pieces.

Each function takes the module and the text behind the colon of the fault's name.
"""

from __future__ import annotations

import struct

from pyinsmod.elf_format import SHF_ALLOC, SHN_COMMON, SHN_UNDEF, STB_WEAK
from tracer.experiments import versions
from tracer.experiments.elf_records import STB_LOCAL, Relocation, Symbol
from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.fields import SYMBOL_FIELDS, SYMBOL_RECORD, setting
from tracer.experiments.machine_code import machine_code
from tracer.experiments.module_faults import point_to
from tracer.experiments.relocatable import Relocatable
from tracer.experiments.section_faults import existing, new_section, number_in

EXPORT_TABLES = ("__ksymtab", "__ksymtab_gpl")
_EXPORT_STRINGS = "__ksymtab_strings"
# struct kernel_symbol with relative references: value, name, namespace, four bytes each (include/linux/export.h).
_EXPORT_SIZE, _NAME_AT, _NAMESPACE_AT = 12, 4, 8
_RECORD = struct.Struct("<Q56s")


def import_(module: Relocatable, argument: str) -> None:
    """Import a symbol and use it: `SYMBOL`, or `SYMBOL=CRC` for the right version."""
    name, _, crc = argument.partition("=")
    point_to(module, ".data", versions.add_import(module, name, number_in(crc, "import", 0)))


def weak_import(module: Relocatable, argument: str) -> None:
    """Import a symbol weakly and use it: `SYMBOL` or `SYMBOL=CRC`."""
    import_(module, argument)
    name = argument.partition("=")[0]
    for number, symbol in enumerate(module.symbols()):
        if symbol.name == name and symbol.shndx == SHN_UNDEF:
            module.set_symbol(number, symbol._replace(info=STB_WEAK << 4 | symbol.info & 0xF))


def common(module: Relocatable, argument: str) -> None:
    """Add a common symbol: an uninitialised variable built with -fcommon."""
    index = module.add_symbol(argument or "common_variable", shndx=SHN_COMMON, value=8, size=8)
    point_to(module, ".data", index)


def unused_symbol_in_section(module: Relocatable, argument: str) -> None:
    """Add a symbol that lies in a section of that number, whether there is one or not."""
    module.add_symbol("astray", shndx=number_in(argument, "symbol-in-section"))


def local_import(module: Relocatable, _: str) -> None:
    """Import a symbol by a local entry, which no linker writes."""
    point_to(module, ".data", module.add_symbol("no_kernel_has_this", binding=STB_LOCAL))


def nameless_import(module: Relocatable, _: str) -> None:
    """Import a symbol without a name."""
    module.add_symbol("")


def symbol_field(module: Relocatable, argument: str) -> None:
    """Set one field of a symbol: `SYMBOL.FIELD=VALUE`."""
    name, _, rest = argument.partition(".")
    wanted = setting(rest, SYMBOL_FIELDS)
    index = module.symbol_index(name)
    if index is None:
        raise FaultNotApplicable(f"the module has no symbol '{name}'")
    symbol = module.symbols()[index]
    values = symbol._asdict()
    field = {"name": "name_offset"}.get(wanted.field, wanted.field)
    values[field] = wanted.of(values[field]) & SYMBOL_RECORD[wanted.field].mask
    module.set_symbol(index, Symbol(**values))


# --- versions


def no_versions(module: Relocatable, _: str) -> None:
    """Let the symbol versions go by another name, as if there were none."""
    module.rename(existing(module, versions.VERSIONS), "__snoisrev")


def stripped_versions(module: Relocatable, _: str) -> None:
    """Let the symbol versions not belong into memory: what `insmod -f` does without finit_module."""
    existing(module, versions.VERSIONS).flags &= ~SHF_ALLOC


def no_crc(module: Relocatable, argument: str) -> None:
    """Take the version of one symbol out."""
    content = existing(module, versions.VERSIONS).content
    kept = [record for record in _RECORD.iter_unpack(bytes(content)) if record[1].rstrip(b"\0") != argument.encode()]
    if len(kept) * _RECORD.size == len(content):
        raise FaultNotApplicable(f"the module carries no CRC for '{argument}'")
    content[:] = b"".join(_RECORD.pack(*record) for record in kept)


def crc_twice(module: Relocatable, argument: str) -> None:
    """Put a wrong version of a symbol before the right one."""
    content = existing(module, versions.VERSIONS).content
    content[:0] = _RECORD.pack(0x11111111, argument.encode())


def all_crcs_first(module: Relocatable, _: str) -> None:
    """Turn the order of the symbol versions round, which nothing depends on."""
    content = existing(module, versions.VERSIONS).content
    records = list(_RECORD.iter_unpack(bytes(content)))[::-1]
    content[:] = b"".join(_RECORD.pack(*record) for record in records)


# --- exports


def export_as(module: Relocatable, argument: str) -> None:
    """Let the module's first export go by another name, such as that of one of the kernel's own."""
    _point_export(module, _NAME_AT, argument)


def export_namespace(module: Relocatable, argument: str) -> None:
    """Put the module's first export into a namespace."""
    _point_export(module, _NAMESPACE_AT, argument)


def export_twice(module: Relocatable, _: str) -> None:
    """Let the module's second export have the name of its first."""
    table, place = _export_table(module), 0
    found = [r for r in module.relocations(table) if r.offset % _EXPORT_SIZE == _NAME_AT]
    if len(found) < 2:
        raise FaultNotApplicable("the module exports fewer than two symbols")
    first, second = sorted(found, key=lambda r: r.offset)[:2]
    place = second.offset
    relocations = [
        r._replace(symbol=first.symbol, addend=first.addend) if r.offset == place else r
        for r in module.relocations(table)
    ]
    module.set_relocations(table, relocations)


def exports_without(module: Relocatable, argument: str) -> None:
    """Take a table beside the exports away: `crcs` or `flags`."""
    prefix = {"crcs": "__kcrctab", "flags": "__kflagstab"}.get(argument)
    if prefix is None:
        raise UnknownFault(f"exports-without wants crcs or flags; found '{argument}'")
    found = [section for section in module.sections if section.name.startswith(prefix)]
    if not found:
        raise FaultNotApplicable(f"the module has no table of its exports' {argument}")
    for section in found:
        module.rename(section, f"x{section.name}")


def obsolete_exports(module: Relocatable, _: str) -> None:
    """Add a table of exports by a name that newer kernels ignore and older ones read, empty of meaning."""
    if module.find("__ksymtab_gpl"):
        raise FaultNotApplicable("the module has that table already")
    module.add_section(new_section("__ksymtab_gpl", SHF_ALLOC, b""))


def _export_table(module: Relocatable) -> str:
    for name in EXPORT_TABLES:
        section = module.find(name)
        if section is not None and section.size:
            return name
    raise FaultNotApplicable("the module exports nothing")


def _point_export(module: Relocatable, place: int, text: str) -> None:
    """Let one reference of the first export lead to a new string at the end of the export strings."""
    table = _export_table(module)
    offset = module.append(_EXPORT_STRINGS, text.encode("utf-8", "surrogateescape") + b"\0")
    strings = module.index(module.section(_EXPORT_STRINGS))
    symbol = module.add_symbol("__kstrtab_made", shndx=strings, value=offset, binding=STB_LOCAL)
    relative = machine_code(module.header.machine).relative
    kept = [relocation for relocation in module.relocations(table) if relocation.offset != place]
    module.set_relocations(table, [*kept, Relocation(place, symbol, relative, 0)])
