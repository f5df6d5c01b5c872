"""Everything the loader will look at in a module file, as one frozen value: what `pyinsmod info` shows.

Facts only; whether a kernel likes them is for the checks to say. What modinfo(8) shows as well is the same here, in
the same order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pyinsmod import elf_format as elf
from pyinsmod.elf_format import Section, machine_name
from pyinsmod.errors import MalformedModule
from pyinsmod.module_exports import Export
from pyinsmod.module_image import THIS_MODULE, ModuleImage
from pyinsmod.section_words import flag_letters, section_type

# `license_is_gpl_compatible` (include/linux/license.h): to the byte; anything else taints the kernel.
GPL_COMPATIBLE = frozenset(
    {"GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"}
)
# What a module without a licence counts as (`set_license`).
UNSPECIFIED = "unspecified"


class Parameter(NamedTuple):
    """A parameter as the module describes it; type and description are None where it does not."""

    name: str
    type: str | None
    description: str | None


class Import(NamedTuple):
    """An undefined symbol, weak or not, with the version (CRC) the module was built against, if it has one."""

    name: str
    weak: bool
    crc: int | None


class SignatureInfo(NamedTuple):
    """An appended signature by what it says of itself; nothing is verified. `damaged` is the reason, if it is."""

    damaged: str | None = None
    signer: str | None = None
    key: bytes = b""
    digest: str | None = None
    value: bytes = b""


class SectionInfo(NamedTuple):
    """A section: type and flags as readelf(1) writes them, size in bytes."""

    name: str
    type: str
    flags: str
    size: int


class ModuleInfo(NamedTuple):
    """A module file. Sizes are in bytes; `fields` are the entries of .modinfo in their order, repeated ones too.

    `registered_name` is the name inside struct module, which the kernel uses; `name` that of .modinfo.
    """

    file: str
    size: int
    unpacked_size: int
    compression: str | None
    machine: str
    elf_type: str
    registered_name: str | None
    name: str | None
    vermagic: str | None
    licence: str
    gpl_compatible: bool
    depends: tuple[str, ...]
    fields: tuple[tuple[str, str], ...]
    parameters: tuple[Parameter, ...]
    imports: tuple[Import, ...]
    exports: tuple[Export, ...]
    imported_namespaces: tuple[str, ...]
    signature: SignatureInfo | None
    sections: tuple[SectionInfo, ...]
    has_init: bool
    has_exit: bool

    def all(self, key: str) -> tuple[str, ...]:
        """Return every value of a .modinfo key, in order."""
        return tuple(value for name, value in self.fields if name == key)

    def has(self, section: str) -> bool:
        """Tell whether there is a section of that name."""
        return any(each.name == section for each in self.sections)

    def to_json(self) -> dict[str, object]:
        """Return the one object that `--json` prints."""
        signature = self.signature and {**self.signature._asdict(), "key": self.signature.key.hex(":").upper()}
        facts: dict[str, Any] = {
            **self._asdict(),
            "fields": [list(field) for field in self.fields],
            "aliases": self.all("alias"),
            "firmware": self.all("firmware"),
            "parameters": [each._asdict() for each in self.parameters],
            "imports": [each._asdict() for each in self.imports],
            "exports": [each._asdict() for each in self.exports],
            "signature": signature and {**signature, "value": self.signature.value.hex()} if self.signature else None,
            "sections": [each._asdict() for each in self.sections],
            "btf": self.has(".BTF"),
            "intree": "intree" in dict(self.fields),
            "retpoline": "retpoline" in dict(self.fields),
        }
        return {"schema": 1, **facts}


def module_info(image: ModuleImage, file: str, size: int) -> ModuleInfo:
    """Return what stands in a module; `size` is that of the file as it is, packed or not.

    Raises:
        MalformedModule: it is no ELF file, or a structure in it is damaged.
    """
    fields = modinfo_fields(image)
    first = dict(reversed(fields))
    licence = first.get("license", UNSPECIFIED)
    wired = _functions_of_struct_module(image)
    return ModuleInfo(
        file=file,
        size=size,
        unpacked_size=len(image.data),
        compression=image.compression,
        machine=machine_name(image.header.machine),
        elf_type=elf.TYPE_NAMES.get(image.header.type, str(image.header.type)),
        registered_name=image.struct_name,
        name=first.get("name"),
        vermagic=first.get("vermagic"),
        licence=licence,
        gpl_compatible=licence in GPL_COMPATIBLE,
        depends=tuple(name for name in first.get("depends", "").split(",") if name),
        fields=fields,
        parameters=parameters_in(fields),
        imports=_imports(image),
        exports=image.exports,
        imported_namespaces=tuple(value for key, value in fields if key == "import_ns"),
        signature=_signature(image),
        sections=tuple(_section(section) for section in image.sections[1:]),
        has_init="init_module" in wired,
        has_exit="cleanup_module" in wired,
    )


def modinfo_fields(image: ModuleImage) -> tuple[tuple[str, str], ...]:
    """Return the entries of .modinfo, in order; one without `=` is a key without a value, as for modinfo(8)."""
    section = image.find_section(".modinfo")
    entries = image.section_bytes(section).split(b"\0") if section else []
    pairs = (entry.partition(b"=") for entry in entries if entry)
    return tuple((elf.text(key), elf.text(value)) for key, _, value in pairs)


def parameters_in(fields: tuple[tuple[str, str], ...]) -> tuple[Parameter, ...]:
    """Join `parm=NAME:DESCRIPTION` and `parmtype=NAME:TYPE`, last one first, which is the source's order."""
    found: dict[str, dict[str, str]] = {}
    for key, value in fields:
        name, colon, text = value.partition(":")
        if key in ("parm", "parmtype") and colon:
            found.setdefault(name, {}).setdefault(key, text)
    return tuple(Parameter(name, found[name].get("parmtype"), found[name].get("parm")) for name in reversed(found))


def _imports(image: ModuleImage) -> tuple[Import, ...]:
    crcs = {**image.versions, **_extended_versions(image)}
    return tuple(Import(symbol.name, symbol.weak, crcs.get(symbol.name)) for symbol in image.undefined_symbols)


def _extended_versions(image: ModuleImage) -> Mapping[str, int]:
    """Return symbol → CRC of `__version_ext_crcs` and `__version_ext_names` (since 6.14), where both are there."""
    crcs, names = image.find_section("__version_ext_crcs"), image.find_section("__version_ext_names")
    if crcs is None or names is None:
        return {}
    raw = image.section_bytes(crcs)
    numbers = (number for (number,) in struct.iter_unpack("<I", raw[: len(raw) - len(raw) % 4]))
    return dict(zip(map(elf.text, image.section_bytes(names).split(b"\0")), numbers, strict=False))


def _section(section: Section) -> SectionInfo:
    return SectionInfo(section.name, section_type(section.type), flag_letters(section.flags), section.size)


def _functions_of_struct_module(image: ModuleImage) -> frozenset[str]:
    """Return the symbols whose addresses are put into struct module: `init_module` and `cleanup_module` if any."""
    struct_module = image.find_section(THIS_MODULE)
    if struct_module is None:
        return frozenset()
    return frozenset(_symbols_into(image, struct_module.number))


def _symbols_into(image: ModuleImage, target: int) -> Iterator[str]:
    for section in image.sections:
        layout = {elf.SHT_RELA: elf.RELA, elf.SHT_REL: elf.REL}.get(section.type)
        if layout is None or section.info != target:
            continue
        raw = image.section_bytes(section)
        for _, info, *_ in layout.iter_unpack(raw[: len(raw) - len(raw) % layout.size]):
            if info >> 32 < len(image.symbols):
                yield image.symbols[info >> 32].name


def _signature(image: ModuleImage) -> SignatureInfo | None:
    """Return what the appended signature says; the parser is imported for signed modules only."""
    if not image.signed:
        return None
    from pyinsmod.signatures.facts import read_signature

    try:
        found = read_signature(bytes(image.data))
    except MalformedModule as error:
        return SignatureInfo(str(error))
    if found is None:
        return SignatureInfo("only the marker of a signature is there")
    return SignatureInfo(None, found.signer, bytes.fromhex(found.key), found.digest, found.signature)
