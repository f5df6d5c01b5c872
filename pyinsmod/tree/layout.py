"""The section headers of a module, by columns, when they are as a build system makes them."""

from __future__ import annotations

from array import array
from operator import add

from pyinsmod import elf_format as elf
from pyinsmod.checks.plain import LARGEST_ALIGNMENT, LARGEST_MODULE
from pyinsmod.lean import NamedTuple
from pyinsmod.tree.sources import Bytes

# The words of a section header, as 32 and as 64 bits: name, type; flags, address, offset, size; link, info; alignment.
_NAME, _TYPE, _LINK, _INFO = 0, 1, 10, 11
_FLAGS, _ADDRESS, _OFFSET, _SIZE, _ALIGN = 1, 2, 3, 4, 6
_ALIGNMENTS = frozenset({0, *(1 << shift for shift in range(LARGEST_ALIGNMENT.bit_length()))})
_WRITE_EXEC = elf.SHF_WRITE | elf.SHF_EXECINSTR
# What nobody looks for and what says nothing to the kernel; linkers leave two of them, one by type, one by name.
_STACK = b".note.GNU-stack"


class Layout(NamedTuple):
    """The section headers by columns, and where each name is; every name is there once, but for notes on the stack."""

    number: dict[bytes, int]
    types: list[int]
    flags: list[int]
    offsets: list[int]
    sizes: list[int]
    links: list[int]
    infos: list[int]


def layout_of(source: Bytes, table: bytes, names: int, length: int) -> Layout | None:
    """Return the sections when each lies in the file, is aligned soundly, and has a name of its own."""
    words, longs = array("I", table), array("Q", table)
    types, offsets, sizes = words[_TYPE::16].tolist(), longs[_OFFSET::8].tolist(), longs[_SIZE::8].tolist()
    flags, places = longs[_FLAGS::8].tolist(), words[_NAME::16].tolist()
    if types[0] or sizes[0] or longs[_ADDRESS] or elf.SHT_NULL in types[1:] or elf.SHT_REL in types:
        return None
    if max(map(add, offsets, sizes)) > length and not _inside(types, offsets, sizes, length):
        return None
    if not _ALIGNMENTS.issuperset(longs[_ALIGN::8]) or sum(sizes) > LARGEST_MODULE or types.count(elf.SHT_SYMTAB) != 1:
        return None
    if any(each & _WRITE_EXEC == _WRITE_EXEC or each & elf.SHF_RELA_LIVEPATCH for each in set(flags)):
        return None
    strings = source.piece(offsets[names], sizes[names])
    if types[names] != elf.SHT_STRTAB or not strings or strings[-1] or max(places) >= len(strings):
        return None
    find = strings.index
    number = {strings[place : find(0, place)]: index for index, place in enumerate(places)}
    if len(number) < len(types) and not _only_stack_notes(strings, places, flags, len(types) - len(number)):
        return None
    return Layout(number, types, flags, offsets, sizes, words[_LINK::16].tolist(), words[_INFO::16].tolist())


def _inside(types: list[int], offsets: list[int], sizes: list[int], length: int) -> bool:
    """Tell whether all sections that have bytes in the file have them there."""
    return all(
        kind == elf.SHT_NOBITS or offset + size <= length
        for kind, offset, size in zip(types, offsets, sizes, strict=True)
    )


def _only_stack_notes(strings: bytes, places: list[int], flags: list[int], repeated: int) -> bool:
    """Tell whether so many sections too many are all notes on the stack, out of memory."""
    whole = _STACK + b"\0"
    found = [number for number, place in enumerate(places) if strings.startswith(whole, place)]
    return len(found) == repeated + 1 and not any(flags[number] & elf.SHF_ALLOC for number in found)
