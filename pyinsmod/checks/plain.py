"""Is the module as every build system makes it? Then nothing can go wrong in laying it out and relocating it.

The sweep is made for good modules: each test looks at a whole table at once. What it does not recognise as good is
not bad yet: `loader_run` finds out.
"""

from __future__ import annotations

from itertools import pairwise

from pyinsmod import elf_format as elf
from pyinsmod.checks.relocation_kind import RelocationKind, RelocationTypes, types_of
from pyinsmod.elf_format import Section
from pyinsmod.lean import Sequence, struct
from pyinsmod.module_image import NAME_LENGTH, NAME_OFFSET, ModuleImage

# No section of a build wants more, and addresses of a module differ from those of another by less than the second.
LARGEST_ALIGNMENT, LARGEST_MODULE = 1 << 16, 1 << 26
# From the lowest address of the kernel down, and from the highest of modules up, that much stays within 32 bits.
LARGEST_ADDEND = 1 << 23
_NEGATIVE = (1 << 64) - LARGEST_ADDEND


def is_plain(image: ModuleImage) -> bool:
    """Tell whether every section and relocation is certainly fine, wherever the module comes to lie.

    Raises:
        MalformedModule: the sections or symbols cannot be read.
    """
    return image.remembered("plain", _is_plain)


def _is_plain(image: ModuleImage) -> bool:
    sections, types = image.sections, types_of(image.header.machine)
    if types is None:
        return False
    kept = {section.number for section in (image.modinfo_section, image.find_allocated("__versions")) if section}
    if image.percpu_section is not None:
        kept.add(image.percpu_section.number)
    in_memory = [section for section in sections if section.in_memory and section.number not in kept]
    if not all(map(_plain_section, in_memory)) or sum(each.size for each in in_memory) > LARGEST_MODULE:
        return False
    if not _plain_symbols(image) or _struct_module_used(image):
        return False
    placed = {section.number for section in in_memory} | kept | set(image.symbol_sections)
    tables = [section for section in sections if _is_table(section, placed)]
    if len({table.info for table in tables}) < len(tables):
        return False
    if types.branches and any(each.type == elf.SHT_RELA and each.info >= len(sections) for each in sections):
        return False  # whose tables are counted before anybody tests what they are for
    return all(_plain_table(image, section, types) for section in tables)


def _struct_module_used(image: ModuleImage) -> bool:
    """Tell whether struct module holds anything but a name: the loader takes more than that from it."""
    section = image.struct_module_section
    if section is None:
        return True
    tables = [each for each in image.sections if each.info == section.number and each.type == elf.SHT_RELA]
    if sum(table.size // elf.RELA.size for table in tables) != len(image.struct_module_pointers):
        return True
    content = image.data[section.offset : section.offset + section.size]
    return any(content[:NAME_OFFSET]) or any(content[NAME_OFFSET + NAME_LENGTH :])


def _plain_section(section: Section) -> bool:
    align = section.align
    return section.type != elf.SHT_NULL and align & (align - 1) == 0 and align <= LARGEST_ALIGNMENT


def _plain_symbols(image: ModuleImage) -> bool:
    """Tell whether each symbol lies in a section that is there, and its name in the table of names."""
    table, strings = (image.section_headers[number] for number in image.symbol_sections)
    if (table.flags | strings.flags) & elf.SHF_ALLOC or not strings.size or table.align > LARGEST_ALIGNMENT:
        return False
    words = struct.unpack(f"<{len(image.symbol_bytes) // 4}I", image.symbol_bytes)
    places = {word >> 16 for word in words[1::6]}
    real = {place for place in places if place not in (elf.SHN_ABS, elf.SHN_COMMON, elf.SHN_LIVEPATCH)}
    return (
        max(real, default=0) < len(image.section_headers)
        and max(words[0::6], default=0) < strings.size
        and image.data[strings.end() - 1 : strings.end()] == b"\0"
    )


def _is_table(section: Section, placed: set[int]) -> bool:
    marked = section.flags & elf.SHF_RELA_LIVEPATCH
    return section.info in placed and (section.type in (elf.SHT_RELA, elf.SHT_REL) or bool(marked))


def _plain_table(image: ModuleImage, section: Section, types: RelocationTypes) -> bool:
    """Tell whether a table has only relocations of known kinds that change places inside their section."""
    target = image.sections[section.info]
    if section.type != elf.SHT_RELA or section.flags & (elf.SHF_RELA_LIVEPATCH | elf.SHF_ALLOC):
        return False
    if target.type == elf.SHT_NOBITS:
        return not section.size
    raw = image.section_bytes(section)
    words = struct.unpack(f"<{len(raw) // elf.RELA.size * 6}I", raw[: len(raw) - len(raw) % elf.RELA.size])
    if not words:
        return True
    kinds, symbols, offsets = words[2::6], words[3::6], words[0::6]
    if any(words[1::6]) or not types.kinds.keys() >= set(kinds):
        return False
    if max(symbols) * elf.SYMBOL.size >= len(image.symbol_bytes):
        return False
    if not types.branches.isdisjoint(kinds) and not target.flags & elf.SHF_EXECINSTR:
        return False
    if not types.followed and not all(_is_near(image, symbol) for symbol in set(symbols)):
        return False
    if not _halves_met(image, words, section.info, types):
        return False
    if not types.empty:
        places = max(offsets) + max(types.kinds[kind].width for kind in set(kinds)) <= target.size
    else:
        places = _plain_places(image.section_bytes(target), offsets, kinds, types)
    return places and _plain_values(image, words, section.info, types)


def _halves_met(image: ModuleImage, words: Sequence[int], target: int, types: RelocationTypes) -> bool:
    """Tell whether the lower bits of each distance belong to upper ones of the same table."""
    lower, upper = types.halves
    if lower.isdisjoint(words[2::6]):
        return True
    columns = list(zip(words[0::6], words[2::6], words[3::6], strict=True))
    places = {offset for offset, kind, _ in columns if kind in upper}
    labels = {symbol for _, kind, symbol in columns if kind in lower}
    return all(place == target and value in places for place, value, _ in (_symbol(image, label) for label in labels))


def _plain_places(content: bytes, offsets: Sequence[int], kinds: Sequence[int], types: RelocationTypes) -> bool:
    """Tell whether all places are zero, inside of the section, and apart from each other."""
    widths = {types.kinds[kind].width for kind in set(kinds)} - {0}
    if not widths:
        return True
    if 0 in kinds:  # R_X86_64_NONE, which assemblers leave behind, changes nothing
        left = [(offset, kind) for offset, kind in zip(offsets, kinds, strict=True) if kind]
        offsets, kinds = [offset for offset, _ in left], [kind for _, kind in left]
    if len(widths) == 1:
        width = widths.pop()
        zeroes = bytes(width)
        ordered = offsets if _ascending(offsets, width) else sorted(offsets)
        return (
            ordered[-1] + width <= len(content)
            and (ordered is offsets or _ascending(ordered, width))
            and all(content[offset : offset + width] == zeroes for offset in offsets)
        )
    places = sorted((offset, types.kinds[kind].width) for offset, kind in zip(offsets, kinds, strict=True))
    apart = all(place[0] + place[1] <= after[0] for place, after in pairwise(places))
    inside = sum(places[-1]) <= len(content)
    return apart and inside and not any(any(content[offset : offset + width]) for offset, width in places)


def _ascending(offsets: Sequence[int], width: int) -> bool:
    return all(after - offset >= width for offset, after in pairwise(offsets))


def _plain_values(image: ModuleImage, words: Sequence[int], target: int, types: RelocationTypes) -> bool:
    """Tell whether what has limits keeps them, wherever kernel and module lie: see `RelocationTypes.near`."""
    limited = {kind for kind in set(words[2::6]) if types.kinds[kind].limits is not None}
    if not limited:
        return True
    near = {symbol for symbol in set(words[3::6]) if _is_near(image, symbol)}
    addends = [upper << 32 | lower for lower, upper in zip(words[4::6], words[5::6], strict=True)]
    small = all(addend <= LARGEST_ADDEND or addend >= _NEGATIVE for addend in addends)
    if small and limited <= types.near | types.branches and len(near) == len(set(words[3::6])):
        return True
    columns = zip(words[0::6], words[2::6], words[3::6], addends, strict=True)
    return all(
        _fits(image, types.kinds[number], (offset, target), symbol, addend - (addend >> 63 << 64))
        or (
            abs(addend - (addend >> 63 << 64)) <= LARGEST_ADDEND
            and (
                (number in types.near and symbol in near)
                or (number in types.branches and _symbol(image, symbol)[0] != target)
            )
        )
        for offset, number, symbol, addend in columns
        if number in limited
    )


def _is_near(image: ModuleImage, number: int) -> bool:
    """Tell whether a symbol is certainly an address of the kernel, or of what of the module is given memory."""
    place, value, nowhere = _symbol(image, number)
    if place == elf.SHN_UNDEF:
        return not nowhere and value <= LARGEST_MODULE
    if place >= len(image.sections) or not image.sections[place].in_memory or value > LARGEST_MODULE:
        return False
    # These stay in the copy of the file, which nothing is near to.
    return place not in [each.number for each in (image.modinfo_section, image.find_allocated("__versions")) if each]


def _fits(image: ModuleImage, kind: RelocationKind, at: tuple[int, int], symbol: int, addend: int) -> bool:
    """Tell whether a value that is known as it is keeps its limits: a number, or a distance within a section."""
    offset, target = at
    place, value, _ = _symbol(image, symbol)
    low, high = kind.limits or (0, 0)
    if kind.relative:
        return place == target and low <= value + addend - offset <= high
    return place == elf.SHN_ABS and low <= value + addend <= high


def _symbol(image: ModuleImage, number: int) -> tuple[int, int, bool]:
    """Return where a symbol lies, its value, and whether it may turn out to be nowhere."""
    entry = elf.SYMBOL.unpack_from(image.symbol_bytes, number * elf.SYMBOL.size)
    nowhere = not number or (entry[3] == elf.SHN_UNDEF and entry[1] >> 4 == elf.STB_WEAK)
    return entry[3], entry[4], nowhere
