"""Faults of a module's sections, put in while it is still in pieces: missing, doubled, misplaced, with odd flags.

Each function takes the module and the text behind the colon of the fault's name.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pyinsmod.elf_format import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_WRITE,
    SHT_NOBITS,
    SHT_PROGBITS,
    SHT_REL,
    SHT_RELA,
    SHT_SYMTAB,
)
from tracer.experiments.elf_records import Section
from tracer.experiments.errors import FaultNotApplicable, UnknownFault
from tracer.experiments.relocatable import Relocatable

_SOME_BYTES = b"\x01" * 16
_LONG = 8


def existing(module: Relocatable, name: str) -> Section:
    """Return a section.

    Raises:
        FaultNotApplicable: the module has none of that name.
    """
    found = module.find(name)
    if found is None:
        raise FaultNotApplicable(f"the module has no section '{name}'")
    return found


def number_in(argument: str, kind: str, default: int | None = None) -> int:
    """Return a fault's argument as a number, decimal or hexadecimal.

    Raises:
        UnknownFault: it is none.
    """
    if not argument and default is not None:
        return default
    try:
        return int(argument, 0)
    except ValueError as error:
        raise UnknownFault(f"{kind} wants a number, such as {kind}:9; found '{argument}'") from error


def new_section(name: str, flags: int, content: bytes, kind: int = SHT_PROGBITS) -> Section:
    """Return a section of plain bytes, to be added to a module."""
    return Section(name, 0, kind, flags=flags, addralign=_LONG, content=bytearray(content))


def renamed(module: Relocatable, argument: str) -> None:
    """Let a section go by another name: `OLD=NEW`."""
    old, equals, new = argument.partition("=")
    if not equals:
        raise UnknownFault(f"section-renamed wants OLD=NEW; found '{argument}'")
    module.rename(existing(module, old), new)


def doubled(module: Relocatable, argument: str) -> None:
    """Add a second section like one that is there, content and all."""
    first = existing(module, argument)
    if first.type in (SHT_SYMTAB, SHT_RELA):
        raise UnknownFault(f"'{argument}' cannot be doubled so: see second-symtab")
    second = Section(
        name=first.name,
        name_offset=0,
        type=first.type,
        flags=first.flags,
        addralign=first.addralign,
        content=bytearray(first.content),
        nobits_size=first.nobits_size,
    )
    module.add_section(second)


def extra(module: Relocatable, argument: str) -> None:
    """Add sixteen bytes under some name, kept in memory and writable."""
    module.add_section(new_section(argument, SHF_ALLOC | SHF_WRITE, _SOME_BYTES))


def two_of_a_name(module: Relocatable, argument: str) -> None:
    """Add two sections that go by one name, which /sys/module/NAME/sections cannot show."""
    for _ in range(2):
        extra(module, argument)


def writable_code(module: Relocatable, argument: str) -> None:
    """Add a section that can be written to and run."""
    module.add_section(new_section(argument or ".both", SHF_ALLOC | SHF_WRITE | SHF_EXECINSTR, _SOME_BYTES))


def both_constructors(module: Relocatable, _: str) -> None:
    """Add both kinds of constructor tables, each empty of meaning: zeros, which the kernel would call."""
    for name in (".ctors", ".init_array"):
        module.add_section(new_section(name, SHF_ALLOC | SHF_WRITE, bytes(_LONG)))


def per_cpu(module: Relocatable, argument: str) -> None:
    """Want so many bytes of per-CPU memory."""
    size = number_in(argument, "per-cpu")
    module.add_section(new_section(".data..percpu", SHF_ALLOC | SHF_WRITE, bytes(size)))


def large(module: Relocatable, argument: str) -> None:
    """Want so many bytes of zeroed memory, which take no room in the file."""
    size = number_in(argument, "large")
    module.add_section(
        Section(".bss.large", 0, SHT_NOBITS, flags=SHF_ALLOC | SHF_WRITE, addralign=_LONG, nobits_size=size)
    )


def second_symtab(module: Relocatable, _: str) -> None:
    """Add a second symbol table, equal to the first."""
    first = next(section for section in module.sections if section.type == SHT_SYMTAB)
    module.add_section(
        Section(
            name=".symtab2",
            name_offset=0,
            type=SHT_SYMTAB,
            link=first.link,
            info=first.info,
            addralign=first.addralign,
            entsize=first.entsize,
            content=bytearray(first.content),
        )
    )


def rel_section(module: Relocatable, argument: str) -> None:
    """Add a relocation table without addends for a section: i386's kind, which 64-bit kernels refuse."""
    target = existing(module, argument or ".data")
    symtab = next(number for number, section in enumerate(module.sections) if section.type == SHT_SYMTAB)
    table = new_section(f".rel{target.name}", 0, bytes(16), SHT_REL)
    table.link, table.info, table.entsize = symtab, module.index(target), 16
    module.add_section(table)


def emptied(module: Relocatable, argument: str) -> None:
    """Take everything out of a section but leave it there."""
    section = existing(module, argument)
    section.content.clear()
    section.nobits_size = 0


def grown(module: Relocatable, argument: str) -> None:
    """Add bytes to a section, or cut some off: `SECTION=N` or `SECTION=-N`."""
    name, _, text = argument.partition("=")
    content = existing(module, name).content
    count = number_in(text, "section-grown")
    if count < 0:
        del content[count:]
    else:
        content += bytes(count)


def set_byte(module: Relocatable, argument: str) -> None:
    """Change one byte of a section: `SECTION[PLACE]=VALUE`, the place counted from the end when negative."""
    where, _, value = argument.partition("=")
    name, _, place = where.rstrip("]").partition("[")
    content = existing(module, name).content
    index = number_in(place, "section-byte")
    if not -len(content) <= index < len(content):
        raise FaultNotApplicable(f"section '{name}' has {len(content)} bytes, none at {index}")
    content[index] = number_in(value, "section-byte") & 0xFF


def name_table_kind(module: Relocatable, _: str) -> None:
    """Let the section name table be an ordinary section by its type."""
    module.sections[module.header.shstrndx].type = SHT_PROGBITS


def own_strings(module: Relocatable, argument: str) -> None:
    """Give the symbol table a string table of its own: `empty`, `no-nul-first`, `no-nul-last`."""
    symtab = next(section for section in module.sections if section.type == SHT_SYMTAB)
    old = module.sections[symtab.link]
    if argument == "empty":
        old.content.clear()
    elif argument == "no-nul-first":
        old.content[:1] = b"x"
    elif argument == "no-nul-last":
        old.content += b"x"
    elif argument == "shared":
        # One table for both kinds of names: nothing in the format forbids it.
        names = module.sections[module.header.shstrndx]
        symtab.link = module.index(names)
    elif argument == "not-strings":
        old.type = SHT_PROGBITS
    else:
        raise UnknownFault(
            f"symbol-strings wants empty, no-nul-first, no-nul-last, shared or not-strings: '{argument}'"
        )


def type_info(module: Relocatable, argument: str) -> None:
    """Damage the module's type information: `zeros`, `garbage`, `half`, `empty`, `magic`, `missing`."""
    section = existing(module, ".BTF")
    content = section.content
    half = len(content) // 2
    changes: dict[str, Callable[[], object]] = {
        "zeros": lambda: content.__setitem__(slice(None), bytes(len(content))),
        "garbage": lambda: content.__setitem__(slice(24, None), bytes(n * 37 & 0xFF for n in range(len(content) - 24))),
        "half": lambda: content.__delitem__(slice(half, None)),
        "empty": content.clear,
        "magic": lambda: content.__setitem__(slice(0, 2), b"\x12\x34"),
        "version": lambda: content.__setitem__(2, 99),
        "header": lambda: content.__delitem__(slice(8, None)),
        "missing": partial(module.rename, section, ".FTB"),
    }
    if argument not in changes:
        raise UnknownFault(f"btf wants one of {', '.join(changes)}; found '{argument}'")
    changes[argument]()


def strings_outside(module: Relocatable, _: str) -> None:
    """Let the name of the last symbol begin beyond the symbol string table."""
    symtab = next(section for section in module.sections if section.type == SHT_SYMTAB)
    size = len(module.sections[symtab.link].content)
    last = len(module.symbols()) - 1
    module.set_symbol(last, module.symbols()[last]._replace(name_offset=size))


def many(module: Relocatable, argument: str) -> None:
    """Add so many empty sections."""
    for number in range(number_in(argument, "sections")):
        module.add_section(new_section(f".empty{number}", 0, b""))


def name_table_last(module: Relocatable, _: str) -> None:
    """Let the section name table end without NUL."""
    module.sections[module.header.shstrndx].content += b"x"
