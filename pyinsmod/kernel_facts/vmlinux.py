"""A vmlinux → what it says about its loader: no privileges, no headers, and it need not run.

What a boot image holds is stripped of symbols. The export tables, the parameters of built-in modules and the type
information stand in sections of their own; other facts show by texts of its read-only data. All distances in the
tables are fixed when the kernel is linked, so what stands in the file holds wherever the kernel is moved to.
"""

from __future__ import annotations

import struct

from pyinsmod.elf_format import MACHINE_NAMES, SHF_ALLOC, SHT_NOBITS, machine_name, text
from pyinsmod.errors import MalformedModule, UsageError
from pyinsmod.kernel_facts.export_lookup import CRC_SIZE, ENTRY_SIZE, LookedUpExports, SortedTable
from pyinsmod.kernel_facts.facts import TrustedKey
from pyinsmod.kernel_facts.kernel_texts import (
    compression_in,
    config_in,
    features_in_texts,
    lockdown_in,
    release_in,
    vermagic_in,
)
from pyinsmod.kernel_facts.ksymtab import ExportTable, ReadMemory, exports_in_tables, strings_of
from pyinsmod.lean import Iterable, Iterator, Mapping, NamedTuple, Sequence
from pyinsmod.module_image import ModuleImage

# EI_CLASS and EI_DATA: all layouts below are those of 64-bit little-endian kernels.
_ELF64_LITTLE_ENDIAN = b"\x02\x01"

# struct kernel_param (include/linux/moduleparam.h): name, module, operations, mode, level, flags, value.
_PARAMETER = struct.Struct("<QQQHbBxxxxQ")
# struct module_version_attribute (include/linux/module.h): its last two pointers are module name and version.
_VERSION_ATTRIBUTE = struct.Struct("<56xQQ")
_POINTER = struct.Struct("<Q")
LONGEST_PARAMETER_NAME = 256

# The parameter of kernel/module/signing.c; it begins with what CONFIG_MODULE_SIG_FORCE says.
_SIG_ENFORCE = "module.sig_enforce"

# Where sentences, names and constants stand.
_DATA = (".rodata", "__ksymtab_strings", ".init.rodata", ".data")


class VmlinuxFacts(NamedTuple):
    """What a vmlinux says. None stands for what could not be read, `reasons` then says why, by field.

    Attributes:
        machine: e_machine of the kernel, and of its modules.
        release: what `uname -r` prints on it.
        vermagic: its version magic, trailing space included.
        exports: symbol → what vmlinux exports.
        features: see features.py.
        struct_module_size: sizeof(struct module) in bytes.
        sysfs_modules: what /sys/module holds by parameters and versions of built-in modules.
        compression: the format it unpacks by itself; the empty string for none.
        sig_enforce: what module.sig_enforce is at first; False without such a parameter.
        lockdown: `none` when it was not built to lock itself down.
        config: build options, when they were built in.
        trusted_keys: certificates in its image.
        btf: its type information, raw.
    """

    machine: int
    release: str
    vermagic: str | None
    exports: LookedUpExports | None
    features: Mapping[str, bool] | None
    struct_module_size: int | None
    sysfs_modules: frozenset[str] | None
    compression: str | None
    sig_enforce: bool | None
    lockdown: str | None
    config: Mapping[str, str] | None
    trusted_keys: tuple[TrustedKey, ...]
    btf: bytes | None
    reasons: Mapping[str, str]


def facts_in_vmlinux(content: bytes) -> VmlinuxFacts:
    """Return the facts of a vmlinux.

    Raises:
        UsageError: this is no vmlinux, or one of a kind that is not known.
    """
    from pyinsmod.certificates import certificates_in

    image = _kernel_image(content)
    read_only = _section(image, ".rodata")
    release = release_in(read_only)
    if release is None:
        raise UsageError("no kernel image: an ELF file without a kernel's banner")
    exports, why_no_exports = _exports(image)
    parameters = list(_parameters(image))
    btf = _section(image, ".BTF") or None
    return VmlinuxFacts(
        machine=image.header.machine,
        release=text(release),
        vermagic=vermagic_in(read_only, release),
        exports=exports,
        features=features_in_texts([_section(image, name) for name in _DATA], exports),
        struct_module_size=_struct_module_size(btf),
        sysfs_modules=_sysfs_modules(image, parameters),
        compression=compression_in(read_only),
        sig_enforce=_sig_enforce(image, parameters),
        lockdown=lockdown_in(read_only),
        config=config_in(read_only),
        trusted_keys=certificates_in(content),
        btf=btf,
        reasons={
            "exports": why_no_exports,
            "vermagic": "no version magic stands in its read-only data, or more than one",
            "features": "its read-only data holds none of the loader's sentences",
            "btf": "it has no .BTF section",
            "config": "its configuration was not built in",
        },
    )


def _kernel_image(content: bytes) -> ModuleImage:
    """Return the image with its sections read; a kernel is an ELF file with the same structures as a module."""
    image = ModuleImage(content)
    try:
        if image.header.ident[4:6] != _ELF64_LITTLE_ENDIAN or image.header.machine not in MACHINE_NAMES:
            raise UsageError(f"no kernel of a machine that is known here: {machine_name(image.header.machine)}")
        if not image.sections:
            raise UsageError("no kernel image: an ELF file without sections")
    except MalformedModule as error:
        raise UsageError(f"no kernel image: {error}") from error
    return image


def _section(image: ModuleImage, name: str) -> bytes:
    """Return what a section holds; nothing when it is missing or reaches past the end of the file."""
    section = image.find_section(name)
    try:
        return b"" if section is None else image.section_bytes(section)
    except MalformedModule:
        return b""


def _memory(image: ModuleImage) -> ReadMemory:
    """Return a reader of the kernel's memory as its sections lay it out; what none covers has no bytes."""
    parts = [part for part in image.sections if part.flags & SHF_ALLOC and part.type != SHT_NOBITS and part.addr]

    def read(address: int, size: int) -> bytes:
        for part in parts:
            if part.addr <= address < part.addr + part.size:
                start = part.offset + address - part.addr
                return image.data[start : min(start + size, part.offset + part.size)]
        return b""

    return read


def _exports(image: ModuleImage) -> tuple[LookedUpExports | None, str]:
    """Return what vmlinux exports, or why that cannot be read."""
    tables = list(_export_tables(image))
    if not tables:
        return None, "it has no export table (__ksymtab)"
    read = _memory(image)
    try:
        exports_in_tables(tables, read)  # every entry once: a damaged one is better noticed here
        return LookedUpExports(tuple(map(_sorted_table, tables)), *strings_of(tables, read)), ""
    except ValueError as error:
        return None, str(error)


def _export_tables(image: ModuleImage) -> Iterator[ExportTable]:
    """Yield the tables in the order of the kernel's search: one table with flags since 7.0, before that two."""
    flags = _section(image, "__kflagstab")
    for suffix, gpl in (("", flags or False), ("_gpl", True)):
        section = image.find_section(f"__ksymtab{suffix}")
        if section is not None:
            crcs = _section(image, f"__kcrctab{suffix}")
            yield ExportTable(section.addr, _section(image, section.name), gpl, crcs)


def _sorted_table(table: ExportTable) -> SortedTable:
    flags = table.gpl if isinstance(table.gpl, bytes) else b""
    crcs = table.crcs if len(table.crcs) * ENTRY_SIZE == len(table.entries) * CRC_SIZE else b""
    return SortedTable(table.address, table.entries, crcs, flags, table.gpl is True)


def _struct_module_size(btf: bytes | None) -> int | None:
    from pyinsmod.btf import struct_size

    return None if btf is None else struct_size(btf, "module")


class _Parameter(NamedTuple):
    """A parameter of built-in code: `module.name`, its mode in /sys/module, the address of its value."""

    name: str
    mode: int
    value: int


def _parameters(image: ModuleImage) -> Iterator[_Parameter]:
    read = _memory(image)
    for name, _, _, mode, _, _, value in _PARAMETER.iter_unpack(_whole(_section(image, "__param"), _PARAMETER)):
        yield _Parameter(_string(read, name), mode, value)


def _sysfs_modules(image: ModuleImage, parameters: Sequence[_Parameter]) -> frozenset[str] | None:
    """Return what /sys/module holds from the start; None where no parameters are found, which every kernel has."""
    found = frozenset((*_with_parameters(parameters), *_with_versions(image)))
    return found if parameters or found else None


def _with_parameters(parameters: Iterable[_Parameter]) -> Iterator[str]:
    """Yield the directories that `param_sysfs_builtin` (kernel/params.c) makes in /sys/module.

    Drivers may make further ones when they are registered, by names that only show while the kernel runs.
    """
    for parameter in parameters:
        if parameter.mode:
            module, dot, _ = parameter.name.rpartition(".")
            yield module if dot else "kernel"


def _with_versions(image: ModuleImage) -> Iterator[str]:
    """Yield the directories that `version_sysfs_builtin` makes: __modver holds structures, until 5.10 pointers."""
    read = _memory(image)
    table = _section(image, "__modver")
    pointed_to = b"".join(read(at, _VERSION_ATTRIBUTE.size) for (at,) in _POINTER.iter_unpack(_whole(table, _POINTER)))
    for structures in (table, pointed_to):
        pairs = _VERSION_ATTRIBUTE.iter_unpack(_whole(structures, _VERSION_ATTRIBUTE))
        names = [_string(read, name) for name, _ in pairs]
        if all(map(str.isidentifier, names)):
            yield from names


def _sig_enforce(image: ModuleImage, parameters: Iterable[_Parameter]) -> bool | None:
    """Return the byte the parameter begins with; memory that the file has no bytes of begins as zeros."""
    place = next((each.value for each in parameters if each.name == _SIG_ENFORCE), None)
    if place is None:
        return False if _section(image, "__param") else None
    return _memory(image)(place, 1) not in (b"", b"\0")


def _whole(table: bytes, layout: struct.Struct) -> bytes:
    return table[: len(table) - len(table) % layout.size]


def _string(read: ReadMemory, address: int) -> str:
    return text(read(address, LONGEST_PARAMETER_NAME).partition(b"\0")[0])
