"""Do the tables that the kernel follows before init lead to where they should? See `patch_tables`.

Nothing tests them: a pointer out of the module is followed, and code that is not what the table says is a BUG(). A good
module is recognised by the relocations of its tables; any other is followed through its relocated memory.
"""

from __future__ import annotations

from pyinsmod import elf_format as elf
from pyinsmod.checks.conditions import names_outside
from pyinsmod.checks.patch_tables import (
    ALTERNATIVES,
    CODE,
    LONGEST_PATCH,
    PARAMETERS,
    WRITTEN,
    Pointer,
    Table,
    built_with_flags,
    tables_of,
)
from pyinsmod.checks.patch_tests import Tests, Trouble, tests_of
from pyinsmod.checks.plain import is_plain
from pyinsmod.checks.relocation_kind import types_of
from pyinsmod.elf_format import Section
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.lean import Callable, Iterator, Mapping, NamedTuple, Sequence
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

NAME, STEP = "special-sections", 10
# An imported object, such as a tracepoint, may have its key within.
LARGEST_OBJECT = 4096


def check_special_sections(image: ModuleImage, facts: KernelFacts, _request: LoadRequest) -> Iterator[Finding]:
    """Yield the first entry of a table that the kernel would stumble over."""
    if names_outside(image):
        from pyinsmod.checks.elf_names import names_read_late  # few modules are damaged there

        yield from names_read_late(image, facts, "module_finalize", NAME, STEP)
    yield from _stumbles(image, facts, (NAME, STEP), parameters=False)


def stray_parameter_names(image: ModuleImage, facts: KernelFacts, check: str, step: int) -> Iterator[Finding]:
    """Yield the first parameter whose name the kernel would stumble over, for the check that comes to read it first.

    That is `parse_args` if there are arguments, else `mod_sysfs_setup`: both after the notifiers.
    """
    yield from _stumbles(image, facts, (check, step), parameters=True)


def _stumbles(image: ModuleImage, facts: KernelFacts, place: tuple[str, int], *, parameters: bool) -> Iterator[Finding]:
    tests = _tests(image, facts)
    tables = tables_of(image.header.machine, flags=bool(tests.flags))
    found = {
        name: section
        for name, table in tables.items()
        if (name == PARAMETERS) == parameters and (section := _section(image, name, table))
    }
    protected = [] if parameters else list(_protected(image, found))
    if (
        not protected
        and is_plain(image)
        and all(_usual(image, section, tables[name], tests) for name, section in found.items())
    ):
        return
    # Big, and only for modules that no build system makes.
    from pyinsmod.checks.loader_run import loader_run
    from pyinsmod.checks.patch_entries import Walk
    from pyinsmod.checks.relocation_findings import REBUILD, crash, unsettled_crash

    run = loader_run(image, facts)
    if run.memory is None and is_plain(image):
        what = f"its tables are not as build systems make them ({', '.join(found)}): what they do here is not known"
        yield Finding(*place, "cannot-tell", what, module_has="unusual tables", remedy=REBUILD)
    if run.memory is None or run.relocating:
        return
    for trouble in (*protected, *Walk(run.memory, tests).troubles(found, tables)):
        if trouble.unsettled:
            yield from unsettled_crash(*place, trouble.what)
        elif trouble.severity == "crashes":
            yield crash(*place, trouble.what)
        else:
            yield Finding(*place, trouble.severity, trouble.what, module_has=trouble.what, remedy=REBUILD)
        return


def _tests(image: ModuleImage, facts: KernelFacts) -> Tests:
    tests = tests_of(image.header.machine, facts)
    if tests.flags is not None:
        return tests
    own = image.find_allocated(ALTERNATIVES)
    tables = [each for each in image.sections if own and each.info == own.number and each.type == elf.SHT_RELA]
    relocations = sum(each.size // elf.RELA.size for each in tables)
    return tests._replace(flags=bool(own and built_with_flags(own.size, relocations)))


def _protected(image: ModuleImage, found: Mapping[str, Section]) -> Iterator[Trouble]:
    """Yield what the kernel writes to when it has made memory read-only (`complete_formation`) by its flags."""
    written = [found[name] for name in WRITTEN if name in found and found[name].in_memory and found[name].size]
    for section in (*written, image.struct_module_section):
        if section is not None and not _writable(image, section.number):
            yield Trouble(f"section '{section.name}' is written to, and lies in memory made read-only")


def _writable(image: ModuleImage, place: int) -> bool:
    """Tell whether a section lies where it can be written to after relocation; what is imported does."""
    if not 0 < place < len(image.sections):
        return place == elf.SHN_UNDEF
    return image.sections[place].flags & (elf.SHF_WRITE | elf.SHF_EXECINSTR) == elf.SHF_WRITE


def _section(image: ModuleImage, name: str, table: Table) -> Section | None:
    if table.found == "allocated":
        return image.find_allocated(name)
    sections = image.sections if table.found == "first" else reversed(image.sections)
    return next((section for section in sections if section.name == name), None)


def _usual(image: ModuleImage, section: Section, table: Table, tests: Tests) -> bool:
    """Tell whether every entry has its pointers, and each leads to where such a pointer leads."""
    tables = [each for each in image.sections if each.info == section.number and each.type == elf.SHT_RELA]
    if not section.size:
        return True
    if len(tables) != 1 or -section.size % table.entry > table.last:
        return False
    raw = image.section_bytes(tables[0])
    entries = list(elf.RELA.iter_unpack(raw[: len(raw) - len(raw) % elf.RELA.size]))
    if not {at + offset for at in range(0, section.size, table.entry) for offset in table.pointers} <= {
        entry[0] for entry in entries
    }:
        return False
    pointers = _pointers(image, table, entries)
    return pointers is not None and _contents_usual(image, section, table, pointers, tests)


def _pointers(image: ModuleImage, table: Table, entries: Sequence[tuple[int, ...]]) -> _Pointers | None:
    """Return what the pointers of a table lead to, or None when one leads where no such pointer leads."""
    symbols = _symbol_places(image)
    found = _Pointers({}, {}, set())
    types = types_of(image.header.machine)
    along = types.pointers.along if types else ()
    for offset, info, addend in entries:
        pointer = table.pointers.get(offset % table.entry)
        if pointer is None:
            continue
        place, value = symbols[info >> 32]
        if info & 0xFFFFFFFF in along:
            if value + addend != offset:
                return None
        elif info & 0xFFFFFFFF != pointer.relocation or not _is_right(image, pointer, info >> 32, addend):
            return None
        else:
            found.add(offset, table.entry, place, value + addend)
    return None if any(value % table.aligned for _, value in found.first.values()) else found


def _is_right(image: ModuleImage, pointer: Pointer, symbol: int, addend: int) -> bool:
    """Tell whether a pointer leads where such pointers lead."""
    place, value = _symbol_places(image)[symbol]
    if not symbol or (pointer.written and not _writable(image, place)):
        return False
    return _leads_right(image.sections, place, value, addend, code=pointer.leads_to == CODE)


class _Pointers(NamedTuple):
    """Of each entry, by its offset: section and place the first pointer leads to, and another; whether that is odd."""

    first: dict[int, tuple[int, int]]
    others: dict[int, tuple[int, int]]
    odd: set[int]

    def add(self, offset: int, size: int, place: int, value: int) -> None:
        """Enter a pointer at an offset of a table with entries of a size."""
        within = offset % size
        if not within:
            self.first[offset] = place, value
            return
        self.others[offset - within] = place, value
        if value & 1:
            self.odd.add(offset - within)


def _symbol_places(image: ModuleImage) -> Sequence[tuple[int, int]]:
    """Return section and value of each symbol."""

    def read(it: ModuleImage) -> Sequence[tuple[int, int]]:
        return [(entry[3], entry[4]) for entry in elf.SYMBOL.iter_unpack(it.symbol_bytes)]

    return image.remembered("symbol places", read)


def _leads_right(sections: Sequence[Section], place: int, value: int, addend: int, *, code: bool) -> bool:
    if place == elf.SHN_UNDEF:
        return not code and -4 <= addend < LARGEST_OBJECT
    if place >= len(sections) or not sections[place].in_memory:
        return False
    inside = 0 <= value + addend <= sections[place].size
    return inside and (not code or bool(sections[place].flags & elf.SHF_EXECINSTR))


def _contents_usual(image: ModuleImage, section: Section, table: Table, pointers: _Pointers, tests: Tests) -> bool:
    """Tell whether entries hold nothing unusual beside pointers, and lie on instructions they may lie on."""
    test = _CONTENTS.get(section.name)
    if test is None:
        return True
    content = image.section_bytes(section)
    for at, place in pointers.first.items():
        entry, instruction = content[at : at + table.entry], _code(image, place)
        if test(tests, entry, instruction, at in pointers.odd) is not None:
            return False
        if section.name == ALTERNATIVES and tests.replacement(entry, _replaced_by(image, pointers, at, entry)):
            return False
    return True


def _replaced_by(image: ModuleImage, pointers: _Pointers, at: int, entry: bytes) -> bytes:
    """Return the code that an alternative puts in place of other code."""
    place = pointers.others.get(at, (elf.SHN_UNDEF, 0))
    return b"" if place[0] == elf.SHN_UNDEF else _code(image, place)[: entry[-1]]


def _code(image: ModuleImage, place: tuple[int, int]) -> bytes:
    """Return as much as may be patched from a place on, in a section, by its number, of the module's own."""
    number, offset = place
    section = image.sections[number]
    return image.data[section.offset + offset : section.offset + min(offset + LONGEST_PATCH, section.size)]


_CONTENTS: dict[str, Callable[[Tests, bytes, bytes, bool], Trouble | None]] = {
    ALTERNATIVES: lambda tests, entry, code, _odd: tests.alternative(entry, code),
    ".parainstructions": lambda tests, entry, code, _odd: tests.paravirt(entry, code),
    "__jump_table": lambda tests, entry, code, _odd: tests.jump_label(entry, code),
    # The lowest bit of the pointer to the key tells a tail call.
    ".static_call_sites": lambda tests, _entry, code, odd: tests.static_call(code, tail=odd),
}
