"""Bytes → frozen facts about a kernel module: what the loader will look at, read lazily and judged nowhere.

A `ModuleImage` can be made of any bytes; each fact is read when it is asked for, and raises `MalformedModule`
with one clear line when the structure it stands in is damaged. The checks decide what that means.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.elf_format import Section
from pyinsmod.elf_image import ElfImage
from pyinsmod.errors import MalformedModule
from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Mapping, MappingProxyType, TypeVar, cached_property, cast

if TYPE_CHECKING:
    from pyinsmod.module_exports import Export

T = TypeVar("T")

# What kbuild calls the files it makes.
SUFFIXES = (".ko", ".ko.gz", ".ko.xz", ".ko.zst")

SIGNATURE_MARKER = b"~Module signature appended~\n"

# 64-bit struct module: `enum module_state`, a list_head, then `char name[MODULE_NAME_LEN]`.
NAME_OFFSET, NAME_LENGTH = 24, 56
THIS_MODULE = ".gnu.linkonce.this_module"
WORDS_AT_THE_END = 16

# struct modversion_info: unsigned long crc, then the name in what is left of 64 bytes.
VERSION_SIZE, CRC_SIZE = 64, 8


class ModuleImage(ElfImage):
    """A module's ELF image. `data` is unpacked; `compression` says how the file was packed, if it was.

    `packed` is then the file as it stands, for who asks whether the kernel could unpack it.
    """

    def __init__(self, data: elf.Data, compression: str | None = None, packed: bytes = b"") -> None:
        super().__init__(data)
        self.compression = compression
        self.packed = packed
        self._finds_modinfo: Callable[[Section], bool] = _any_section
        self._remembered: dict[object, Any] = {}

    def remembered(self, key: object, find: Callable[[ModuleImage], T]) -> T:
        """Return what `find` makes of the image: made once, for all checks that ask under this key."""
        if key not in self._remembered:
            self._remembered[key] = find(self)
        return cast("T", self._remembered[key])

    def seen_by(self, has: Callable[[str], bool | None]) -> ModuleImage:
        """Return the image as a loader sees it that looks for .modinfo in its own way; mostly this very image.

        Loaders that count the sections of a name (since 6.4) take .modinfo whatever its flags, and the first of
        them (before `elf_validity_cache_index_info`) only one that stands in the file; older ones want SHF_ALLOC.

        Args:
            has: tells whether the loader has a feature of `kernel_facts.features`; asked only when it matters.
        """
        try:
            usual = all(_allocated_section(each) and _section_in_file(each) for each in self.named(".modinfo"))
        except MalformedModule:
            return self
        counts = None if usual else has("idempotent-load")
        if counts is None or has("section-names-all-tested"):
            return self
        finds = _section_in_file if counts else _allocated_section
        other = ModuleImage(self.data, self.compression, self.packed)
        other._finds_modinfo = finds
        return other

    @property
    def modinfo_section(self) -> Section | None:
        """The .modinfo section the loader reads, see `seen_by`."""
        return next((section for section in self.named(".modinfo") if self._finds_modinfo(section)), None)

    @property
    def struct_module_section(self) -> Section | None:
        """The section that holds struct module; when none is fit for it, whatever bears the name."""
        return self.find_allocated(THIS_MODULE) or self.find_section(THIS_MODULE)

    @property
    def percpu_section(self) -> Section | None:
        """The section of per-cpu variables (`find_pcpusec`)."""
        return self.find_allocated(".data..percpu")

    # --- identity

    @cached_property
    def modinfo(self) -> Mapping[str, tuple[str, ...]]:
        """The `key=value` strings of .modinfo, in file order; the kernel uses the first of a key."""
        values: dict[str, list[str]] = {}
        for entry in self._modinfo_strings():
            key, equals, value = entry.partition(b"=")
            if equals:
                values.setdefault(elf.text(key), []).append(elf.text(value))
        return MappingProxyType({key: tuple(found) for key, found in values.items()})

    def _modinfo_strings(self) -> list[bytes]:
        """Return the strings as `next_string` walks over them: the last one ends at a NUL, not with the section.

        Neither does the kernel mind the section's type, nor, for the first string, that its size is 0.
        """
        section = self.modinfo_section
        if section is None:
            return []
        if section.offset + section.size > len(self.data):
            raise MalformedModule("section '.modinfo' reaches past the end of the file")
        strings = self.data[section.offset : section.offset + section.size].split(b"\0")
        if strings[-1] or not section.size:
            end = self.data.find(b"\0", section.offset + section.size)
            strings[-1] += self.data[section.offset + section.size : end if end >= 0 else len(self.data)]
        return strings

    def modinfo_value(self, key: str) -> str | None:
        """Return the first value of a .modinfo key, as `get_modinfo` of the kernel does, or None."""
        return next(iter(self.modinfo.get(key, ())), None)

    @cached_property
    def vermagic(self) -> str | None:
        """The version magic the module was built for, with its trailing space."""
        return self.modinfo_value("vermagic")

    @cached_property
    def struct_name(self) -> str | None:
        """The name inside `struct module`: the one that is registered and shows in /proc/modules."""
        section = self.struct_module_section
        if section is None:
            return None
        raw = self.data[section.offset + NAME_OFFSET : section.offset + NAME_OFFSET + NAME_LENGTH]
        return elf.text(raw.partition(b"\0")[0]) if raw else None

    @property
    def struct_module_pointers(self) -> tuple[int, ...]:
        """Offsets in struct module that are relocated: the pointers to init and exit, in this order."""
        return tuple([place for place in self.init_and_exit if place is not None])

    @cached_property
    def init_and_exit(self) -> tuple[int | None, int | None]:
        """Where in struct module the pointer to init is, and the one to exit; None for one that is not set."""
        section = self.struct_module_section
        tables = [each for each in self.sections if section is not None and each.info == section.number]
        raw = b"".join(self.section_bytes(each) for each in tables if each.type == elf.SHT_RELA)
        found = {entry[0] for entry in elf.RELA.iter_unpack(raw[: len(raw) - len(raw) % elf.RELA.size])}
        if section is None:
            return None, None
        init, leave = [found & set(window) for window in pointer_windows(section.size)]
        return (min(init) if len(init) == 1 else None), (min(leave) if len(leave) == 1 else None)

    @cached_property
    def name(self) -> str | None:
        """The name to speak of: the registered one, else `name=` of .modinfo."""
        return self.struct_name or self.modinfo_value("name")

    @property
    def known_name(self) -> str | None:
        """The name, or None where the file is too damaged to tell."""
        try:
            return self.name
        except MalformedModule:
            return None

    # --- tables

    @cached_property
    def versions(self) -> Mapping[str, int]:
        """Symbol → CRC of the basic `__versions` table, if the loader finds it: it has to be SHF_ALLOC."""
        raw = self._content(self.find_allocated("__versions"))
        records = (raw[at : at + VERSION_SIZE] for at in range(0, len(raw) - VERSION_SIZE + 1, VERSION_SIZE))
        return MappingProxyType(
            {
                elf.text(record[CRC_SIZE:].partition(b"\0")[0]): int.from_bytes(record[:CRC_SIZE], "little")
                for record in records
            }
        )

    @cached_property
    def exports(self) -> tuple[Export, ...]:
        """The exported symbols, by their `__ksymtab_NAME` entries, in table order."""
        from pyinsmod.module_exports import exports_of  # few modules have any

        return exports_of(self)

    @property
    def signed(self) -> bool:
        """Tell whether a signature is appended, by the marker that `module_sig_check` looks for."""
        return self.data[-len(SIGNATURE_MARKER) :] == SIGNATURE_MARKER


def pointer_windows(size: int) -> tuple[range, range]:
    """Return where in struct module the pointers to init and to exit may be: in its second quarter, and at its end."""
    return range(0, size, 8)[size // 40 : size // 20], range(0, size, 8)[-WORDS_AT_THE_END:]


def _any_section(_section: Section) -> bool:
    return True


def _section_in_file(section: Section) -> bool:
    return section.type not in (elf.SHT_NULL, elf.SHT_NOBITS)


def _allocated_section(section: Section) -> bool:
    return section.in_memory and section.number > 0


def read_image(content: bytes) -> ModuleImage:
    """Return the image in a module file's bytes, unpacked if they are compressed.

    Raises:
        MalformedModule: the file is compressed and cannot be unpacked.
    """
    if content[:4] == elf.MAGIC:
        return ModuleImage(content)
    from pyinsmod.compression import compression_of, decompress  # for what is no plain module

    compression = compression_of(content)
    if compression is None:
        return ModuleImage(content)
    return ModuleImage(decompress(content, compression), compression, content)
