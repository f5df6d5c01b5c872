"""What arm64's function tracer does to the places it is told of (`ftrace_process_locs`, kernel/trace/ftrace.c).

With CONFIG_DYNAMIC_FTRACE_WITH_CALL_OPS it puts 8 bytes before each function, untested (`ftrace_init_nop`,
`aarch64_insn_write_literal_u64`): by way of the page that stands there, and a page has to. Then it looks for the
instruction it expects; where that is not, it warns and gives up for good, and the module is loaded all the same.
"""

from __future__ import annotations

from pyinsmod.checks import patch_tables as tables
from pyinsmod.checks.loader_memory import LoaderMemory
from pyinsmod.checks.patch_tests import Tests, Trouble
from pyinsmod.checks.relocation_kind import types_of
from pyinsmod.elf_format import EM_AARCH64, SHT_NOBITS, SHT_PROGBITS

LITERAL, LOOKED_AT = 8, 16
# What only the module itself reads, and what leads there from tables that are followed afterwards.
_OWN = (".data", ".bss", ".rodata", ".init.data", ".init.rodata", ".exit.data")
# Where the page is looked up the highest byte of an address does not count (`pgd_index`).
_TOP_BYTE, _HALF = 0xFF << 56, 1 << 55


def trouble_at(memory: LoaderMemory, tests: Tests, where: int) -> Trouble | None:
    """Return what becomes of a place in the table; a null pointer is passed over."""
    found = where | _TOP_BYTE if where & _HALF else where
    odd = tests.misaligned(where)
    if odd or not where or tests.literals is False or memory.executable(found):
        return odd
    if tests.literals and _harmless(memory, found):
        return None
    if tests.literals is None or memory.mapped(found, LITERAL):
        return Trouble("leads to what is no function of the module, and is written to", "cannot-tell")
    return Trouble("leads to no function of the module, and is written to", unsettled=memory.unsettled(where))


def _harmless(memory: LoaderMemory, where: int) -> bool:
    """Tell whether what is written there and what is looked at is the module's own data, and nothing else's."""
    sections = memory.image.sections
    if any(sections[number].size for number in _followed(memory)):
        return False
    for number, section in enumerate(sections):
        start = memory.address(number)
        if start <= where and where + LOOKED_AT <= start + section.size:
            return section.type in (SHT_PROGBITS, SHT_NOBITS) and section.name.startswith(_OWN)
    return False


def _followed(memory: LoaderMemory) -> list[int]:
    """Return the numbers of the sections that lead to data and are followed when the tracer is done."""
    types = types_of(EM_AARCH64)
    names = tables.common(types.pointers).keys() if types else ()
    return [section.number for section in memory.image.sections if section.name in names]
