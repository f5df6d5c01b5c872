"""Where the loader puts each section: `layout_sections`, `layout_symtab`, `move_module` (kernel/module/main.c).

Computed as the kernel computes it, with sizes that wrap at 32 bits and alignments nobody tests, because a damaged
header shows here first: as memory that cannot be had, or as a section that is copied to where none was taken.
Loaders since 6.4 (`struct module_memory`) take seven areas, older ones two.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.elf_format import PAGE, SectionHeader, page_end
from pyinsmod.lean import Iterator, Mapping, NamedTuple, Sequence
from pyinsmod.module_image import ModuleImage

CACHE_LINE = 64
# Behind the copy of the file is a page that is never there, and then who knows what: stacks, per-cpu memory, 256 MiB of
# PCI's configuration. Further away nothing was ever seen to be, on machines with little memory.
FILE_NEIGHBOURS = 1 << 29
WORD, LONG = (1 << 32) - 1, (1 << 64) - 1

# struct mod_kallsyms, on 64 bits: three pointers and a count.
KALLSYMS_SIZE, KALLSYMS_ALIGN = 32, 8

# (flags that must be set, flags that must not) in the order of `layout_sections`.
_PASSES = (
    (elf.SHF_EXECINSTR | elf.SHF_ALLOC, 0),
    (elf.SHF_ALLOC, elf.SHF_WRITE),
    (elf.SHF_RO_AFTER_INIT | elf.SHF_ALLOC, 0),
    (elf.SHF_WRITE | elf.SHF_ALLOC, 0),
    (elf.SHF_ALLOC, 0),
)
# enum mod_mem_type, and what each pass goes to; the third pass has no place among what init leaves behind.
TEXT, DATA, RODATA, RO_AFTER_INIT, INIT_TEXT, INIT_DATA, INIT_RODATA = range(7)
_CORE_TYPES = (TEXT, RODATA, RO_AFTER_INIT, DATA, DATA)
_INIT_TYPES = (INIT_TEXT, INIT_RODATA, None, INIT_DATA, INIT_DATA)
# Two areas: what stays, and what init leaves behind; the second is marked by the highest bit of an offset.
CORE, INIT = range(2)
_PAGE_ENDS = (0, 1, 2, 4)

_RO_AFTER_INIT_NAMES = frozenset({".data..ro_after_init", "__jump_table"})


class Placement(NamedTuple):
    """The areas of memory and what goes where.

    Attributes:
        areas: size of each area in bytes, in whole pages, as it is asked for.
        sections: number of a section → its area and its offset there; the offset may lie outside.
        flags: the sections' flags as they are after the loader changed them.
        headers: the section headers as an architecture's own code left them.
        staying: numbers of the sections whose symbols stay when init is done, per-cpu variables among them.
    """

    areas: tuple[int, ...]
    sections: Mapping[int, tuple[int, int]]
    flags: tuple[int, ...]
    headers: Sequence[SectionHeader]
    staying: frozenset[int] = frozenset()


def unsettled_behind_file(distance: int) -> bool:
    """Tell whether somebody else's memory may stand so many bytes behind the last page of the file's copy."""
    return PAGE <= distance < FILE_NEIGHBOURS


def aligned(size: int, alignment: int) -> int:
    """Return what the kernel's ALIGN makes of it, in the type of `size`, 32 bits here; nothing is tested."""
    mask = ((alignment or 1) - 1) & WORD
    return (size + mask) & ~mask & WORD


def place(
    image: ModuleImage,
    headers: Sequence[SectionHeader] = (),
    *,
    split: bool,
    rox: bool = False,
    all_symbols: bool = True,
) -> Placement:
    """Return where everything goes.

    Args:
        image: the module.
        headers: its section headers, where the architecture's own code has changed them.
        split: for loaders with seven areas.
        rox: for those that can share pages of code, which have a member more in struct module_memory.
        all_symbols: for those that keep names of data, too (CONFIG_KALLSYMS_ALL).

    Raises:
        MalformedModule: the sections or symbols cannot be read.
    """
    layout = _Layout(image, headers or image.section_headers, split=split, rox=rox, all_symbols=all_symbols)
    layout.run()
    areas = tuple(page_end(size) & WORD for size in layout.sizes)
    return Placement(areas, layout.placed(), tuple(layout.flags), layout.headers, layout.staying)


class _Layout:
    def __init__(
        self, image: ModuleImage, headers: Sequence[SectionHeader], *, split: bool, rox: bool, all_symbols: bool
    ) -> None:
        self.image = image
        self.split = split
        self.all_symbols = all_symbols
        self.headers = headers
        self.names = [section.name for section in image.sections]
        self.sizes = _first_sizes(image, split=split, rox=rox)
        self.offsets: dict[int, int] = {}
        self.flags = _changed_flags(image, headers)
        self.staying: frozenset[int] = frozenset()

    def run(self) -> None:
        for init in (False, True):
            for number, wanted in enumerate(_PASSES):
                self._place_pass(number, *wanted, init=init)
        self._place_symbols()

    def placed(self) -> dict[int, tuple[int, int]]:
        """Return area and offset as `move_module` reads them out of sh_entsize."""
        low = (1 << 60) - 1 if self.split else (1 << 63) - 1
        shift = 60 if self.split else 63
        return {number: (offset >> shift, offset & low) for number, offset in self.offsets.items()}

    def _place_pass(self, number: int, wanted: int, unwanted: int, *, init: bool) -> None:
        area = (_INIT_TYPES if init else _CORE_TYPES)[number] if self.split else int(init)
        if area is None:
            return
        for index in self._in_memory:
            flags = self.flags[index]
            if flags & wanted != wanted or flags & unwanted or index in self.offsets:
                continue
            if self.names[index].startswith(".init") == init:
                self._place(area, index, self.headers[index])
        if not self.split and number in _PAGE_ENDS:
            self.sizes[area] = page_end(self.sizes[area]) & WORD

    @property
    def _in_memory(self) -> Iterator[int]:
        return (index for index, flags in enumerate(self.flags) if flags & elf.SHF_ALLOC)

    def _place(self, area: int, index: int, header: SectionHeader) -> None:
        offset = aligned(self.sizes[area], header.align)
        self.sizes[area] = (offset + header.size) & WORD
        self.offsets[index] = (offset | area << (60 if self.split else 63)) & LONG

    def _place_symbols(self) -> None:
        """Put symbols and their names after all else; those of what stays are kept a second time."""
        number, strings = self.image.symbol_sections
        core, init = (DATA, INIT_DATA) if self.split else (CORE, INIT)
        symbols = self.headers[number]
        count = symbols.size // elf.SYMBOL.size
        self.flags[number] |= elf.SHF_ALLOC
        self._place(init, number, symbols)
        kept, text = self._kept_symbols()
        self.sizes[core] = (aligned(self.sizes[core], symbols.align) + kept * (elf.SYMBOL.size + 1) + text) & WORD
        self.flags[strings] |= elf.SHF_ALLOC
        self._place(init, strings, self.headers[strings])
        self.sizes[init] = (aligned(self.sizes[init], KALLSYMS_ALIGN) + KALLSYMS_SIZE + count) & WORD
        if not self.split:
            self.sizes = [page_end(size) & WORD for size in self.sizes]

    def _kept_symbols(self) -> tuple[int, int]:
        """Count the symbols that stay (`is_core_symbol`) and the bytes of their names."""
        kept, text = 1, 1
        wanted = 0 if self.all_symbols else elf.SHF_EXECINSTR
        self.staying = frozenset(
            index
            for index in self._in_memory
            if not self.names[index].startswith(".init")
            and index in self.offsets
            and self.flags[index] & wanted == wanted
        )
        percpu = self.image.percpu_section
        if percpu is not None and self.all_symbols:
            self.staying |= {percpu.number}
        start = self.headers[self.image.symbol_sections[1]].offset
        for name, _info, _other, section, _value, _size in elf.SYMBOL.iter_unpack(self.image.symbol_bytes):
            if section in self.staying and name:
                kept, text = kept + 1, text + len(self.image.text_at(start + name)) + 1
        return kept, text


def _first_sizes(image: ModuleImage, *, split: bool, rox: bool) -> list[int]:
    """Return the sizes the loader begins with: it takes them from the file's struct module, where they are 0.

    `struct module_layout` or an array of `struct module_memory` stands in the cache line after the pointer to init.
    """
    count, stride, at = (7, 72, 12 if rox else 8) if split else (2, 80, 8)
    section = image.struct_module_section
    pointers = image.struct_module_pointers
    if section is None or not pointers or min(pointers) > section.size // 2:
        return [0] * count
    first = section.offset + -(-(min(pointers) + 8) // CACHE_LINE) * CACHE_LINE + at
    words = (image.data[first + stride * number : first + stride * number + 4] for number in range(count))
    return [int.from_bytes(word, "little") for word in words]


def _changed_flags(image: ModuleImage, headers: Sequence[SectionHeader]) -> list[int]:
    """Return the flags after `rewrite_section_headers` and `layout_and_allocate` have been over them."""
    flags = [header.flags for header in headers]
    for section in (image.modinfo_section, image.find_allocated("__versions"), image.percpu_section):
        if section is not None:
            flags[section.number] &= ~elf.SHF_ALLOC
    for section in image.sections:
        if section.name in _RO_AFTER_INIT_NAMES and flags[section.number] & elf.SHF_ALLOC:
            flags[section.number] |= elf.SHF_RO_AFTER_INIT
    return flags
