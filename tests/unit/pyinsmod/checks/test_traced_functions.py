"""Places the function tracer of arm64 is told of. Expected answers: 6.12 and 7.2 kernels, and where none says so their
source (`patch_map`, `pgd_index`)."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.kernel_facts import KernelFacts
from tests.unit.pyinsmod.checks.test_relocations_aarch64 import (
    ABS64,
    OPTIONS,
    PLT,
    TEXT,
    TEXT_SYMBOL,
    answer,
    arm64_facts,
    module,
)

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]
TABLE = "__patchable_function_entries"
# Its section's number: behind .text, its relocations and what the loader makes room with.
NAMED = TEXT + 2 + len(PLT)


def traced(
    build_module: BuildModule, addend: int, *others: tuple[str, int, int, bytes], defined_in: int = TEXT, top: int = 0
) -> bytes:
    """Return a module whose tracer is told of a place so far behind the beginning of a section, in one more of it."""
    relocation = struct.pack("<QQQ", 0, TEXT_SYMBOL << 32 | ABS64, addend + (top << 56) & (1 << 64) - 1)
    sections = (*PLT, *others, (TABLE, 1, 3, bytes(8)), (".rela__patchable", 4, 0x40, relocation))
    data = bytearray(module(build_module, sections=sections, defined_in=defined_in))
    number = NAMED + len(others)
    struct.pack_into("<I", data, struct.unpack_from("<Q", data, 40)[0] + 64 * (number + 1) + 44, number)
    return bytes(data)


@pytest.fixture
def facts(make_facts: MakeFacts) -> KernelFacts:
    return arm64_facts(make_facts, OPTIONS)


@pytest.mark.parametrize("name", [".data", ".rodata", ".bss"])
@pytest.mark.parametrize(("addend", "outcome"), [(0, "reaches-init"), (48, "reaches-init"), (4, "crashes-kernel")])
def test_data_of_the_modules_own_may_be_written_to(
    build_module: BuildModule, facts: KernelFacts, name: str, addend: int, outcome: str
) -> None:
    """Seen on 7.2: the tracer gives up with a warning, and the module is loaded."""
    data = traced(build_module, addend, (name, 8 if name == ".bss" else 1, 3, bytes(64)), defined_in=NAMED)
    assert answer(data, facts).outcome == outcome


def test_data_that_tables_lead_to_is_another_matter(build_module: BuildModule, facts: KernelFacts) -> None:
    others = (".data", 1, 3, bytes(64)), ("___srcu_struct_ptrs", 1, 3, bytes(8))
    assert answer(traced(build_module, 0, *others, defined_in=NAMED), facts).outcome != "reaches-init"


@pytest.mark.parametrize("name", [".modinfo_of_others", "__tracepoints"])
def test_what_somebody_else_may_read_is_left_open(build_module: BuildModule, facts: KernelFacts, name: str) -> None:
    assert answer(traced(build_module, 0, (name, 1, 3, bytes(64)), defined_in=NAMED), facts).outcome == "cannot-tell"


def test_the_highest_byte_does_not_count_where_a_page_is_looked_up(
    build_module: BuildModule, facts: KernelFacts
) -> None:
    assert answer(traced(build_module, 0, top=0x20), facts).outcome == "reaches-init"
    assert answer(traced(build_module, 1 << 40, top=0x20), facts).outcome == "crashes-kernel"


def test_without_literals_nothing_is_written(build_module: BuildModule, make_facts: MakeFacts) -> None:
    """Seen on 6.1: what is not the expected instruction is warned of."""
    options = {"STRICT_MODULE_RWX": "y", "DYNAMIC_FTRACE": "y"}
    assert answer(traced(build_module, 1 << 40), arm64_facts(make_facts, options)).outcome == "reaches-init"
