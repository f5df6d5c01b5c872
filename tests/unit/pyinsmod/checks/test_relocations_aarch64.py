"""Relocations and sections of arm64 modules. Expected answers: real 6.1, 6.12 and 7.2 kernels."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks import CHECKS
from pyinsmod.checks.loader_run import loader_run
from pyinsmod.checks.relocation_types_aarch64 import KINDS, NAMES
from pyinsmod.elf_format import SHT_SYMTAB
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import Prediction, predict

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

TEXT, DATA = 4, 9
PRINTK, WEAK = 1, 2
TEXT_SYMBOL = 2  # where there is one
ABS64, ABS32, ABS16, PREL32, LO19, CALL26, PAGE, LO12 = 257, 258, 259, 261, 273, 283, 275, 277
PLT = ((".plt", 8, 6, b"\0"), (".init.plt", 8, 6, b"\0"), (".text.ftrace_trampoline", 8, 6, b"\0"))
OPTIONS = {"STRICT_MODULE_RWX": "y", "DYNAMIC_FTRACE": "y", "DYNAMIC_FTRACE_WITH_CALL_OPS": "y"}
MINE = ("plt-sections", "memory", "relocations", "special-sections", "ftrace-trampoline")


def arm64_facts(make_facts: MakeFacts, options: dict[str, str]) -> KernelFacts:
    features = {**dict.fromkeys(FEATURES, False), "plt-sections-required": True}
    return make_facts(machine=Fact(183, "test"), features=Fact(features, "test"), config=Fact(options, "test"))


@pytest.fixture
def facts(make_facts: MakeFacts) -> KernelFacts:
    return arm64_facts(make_facts, OPTIONS)


def module(
    build_module: BuildModule,
    *entries: tuple[int, int, int, int],
    sections: tuple[tuple[str, int, int, bytes], ...] = PLT,
    kind: int = 4,
    defined_in: int = 0,
) -> bytes:
    """Return an arm64 module whose .text has relocations (offset, type, symbol, addend).

    `defined_in`: the section that its third symbol lies in, at 0.
    """
    table = b"".join(struct.pack("<QQq", at, symbol << 32 | number, addend) for at, number, symbol, addend in entries)
    extra = [(".text", 1, 6, bytes(64)), (".rela.text", kind, 0x40, table), *sections]
    data = bytearray(
        build_module(undefined=["_printk", "in_text"] if defined_in else ["_printk"], weak=["absent"], extra=extra)
    )
    if defined_in:
        at = data.index(struct.pack("<IBBHQQ", len("_printk") + 2, 1 << 4, 0, 0, 0, 0))
        struct.pack_into("<H", data, at + 6, defined_in)
    struct.pack_into("<H", data, 18, 183)
    struct.pack_into("<I", data, struct.unpack_from("<Q", data, 40)[0] + 64 * (TEXT + 1) + 44, TEXT)
    return bytes(data)


def answer(data: bytes, facts: KernelFacts) -> Prediction:
    image = ModuleImage(data)
    return predict([found for name in MINE for found in CHECKS[name](image, facts, LoadRequest())])


def test_the_table_has_no_number_twice_and_no_name_twice() -> None:
    assert not KINDS.keys() & NAMES.keys()
    assert len({kind.name for kind in KINDS.values()}) == len(KINDS)


def test_relocations_as_compilers_make_them_are_fine(build_module: BuildModule, facts: KernelFacts) -> None:
    entries = [(0, CALL26, PRINTK, 0), (4, PAGE, PRINTK, 8), (8, LO12, PRINTK, 8), (16, ABS64, PRINTK, 0)]
    assert answer(module(build_module, *entries, (24, PREL32, PRINTK, 4)), facts).outcome == "reaches-init"


@pytest.mark.parametrize("kind", [1, 10, 311, 314, 1027, 0x80000002])
def test_a_kind_the_loader_does_not_know_is_refused(build_module: BuildModule, facts: KernelFacts, kind: int) -> None:
    found = answer(module(build_module, (0, kind, PRINTK, 0)), facts)
    assert (found.outcome, found.errno, found.step) == ("refused", "ENOEXEC", 10)
    assert found.log == f"unsupported RELA relocation: {kind}"


@pytest.mark.parametrize("kind", [ABS32, ABS16, 263, 265, 267])
def test_no_address_of_the_kernel_fits_where_no_sign_is(
    build_module: BuildModule, facts: KernelFacts, kind: int
) -> None:
    found = answer(module(build_module, (4, kind, PRINTK, 0)), facts)
    assert (found.outcome, found.log) == ("refused", f"overflow in relocation type {kind} val")


@pytest.mark.parametrize(
    ("kind", "addend", "outcome"),
    [
        (LO19, 0, "cannot-tell"),
        (PREL32, 1 << 33, "refused"),
        (PAGE, 1 << 31, "reaches-init"),
        (PAGE, 1 << 40, "refused"),
        (276, 1 << 40, "reaches-init"),
    ],
)
def test_what_is_imported_lies_within_two_gigabytes(
    build_module: BuildModule, facts: KernelFacts, kind: int, addend: int, outcome: str
) -> None:
    assert answer(module(build_module, (4, kind, PRINTK, addend)), facts).outcome == outcome


def test_a_weak_symbol_that_nobody_exports_is_nowhere_near(build_module: BuildModule, facts: KernelFacts) -> None:
    assert answer(module(build_module, (4, PREL32, WEAK, 0)), facts).outcome == "refused"
    assert answer(module(build_module, (4, CALL26, WEAK, 0)), facts).outcome == "reaches-init"
    assert answer(module(build_module, (4, ABS32, WEAK, 5)), facts).outcome == "reaches-init"


def test_the_place_need_not_be_zero_nor_only_one(build_module: BuildModule, facts: KernelFacts) -> None:
    """Unlike on x86-64."""
    assert answer(module(build_module, (4, ABS64, PRINTK, 0), (8, ABS64, PRINTK, 0)), facts).outcome == "reaches-init"


@pytest.mark.parametrize(
    ("entry", "outcome"),
    [
        ((62, ABS64, PRINTK, 0), "reaches-init"),  # behind the section, and still in the module's page
        ((4, ABS64, 9, 0), "reaches-init"),  # zeros stand behind the symbols
        ((1 << 40, LO12, PRINTK, 0), "crashes-kernel"),
        ((0x9000, LO12, PRINTK, 0), "cannot-tell"),
        ((4, ABS64, 1 << 31, 0), "crashes-kernel"),
    ],
)
def test_what_nobody_tests_is_followed(
    build_module: BuildModule, facts: KernelFacts, entry: tuple[int, int, int, int], outcome: str
) -> None:
    assert answer(module(build_module, entry), facts).outcome == outcome


@pytest.mark.parametrize(
    ("symbol", "outcome"), [(1000, "cannot-tell"), (7592, "crashes-kernel"), (500000, "crashes-kernel")]
)
def test_a_crash_behind_what_is_read_from_anywhere_is_certain(
    build_module: BuildModule, facts: KernelFacts, symbol: int, outcome: str
) -> None:
    """Seen on 6.12: whatever was counted for the branch, its symbol is read once more, far behind the module."""
    found = answer(module(build_module, (4, CALL26, symbol, 0)), facts)
    assert found.outcome == outcome


@pytest.mark.parametrize(("place", "outcome"), [(4, "cannot-tell"), (1 << 40, "crashes-kernel")])
def test_what_a_table_for_no_section_is_counted_as_changes_no_crash(
    build_module: BuildModule, facts: KernelFacts, place: int, outcome: str
) -> None:
    nowhere = (".rela.nowhere", 4, 0x40, struct.pack("<QQq", 0, PRINTK << 32 | CALL26, 0))
    data = bytearray(module(build_module, (place, ABS64, PRINTK, 0), sections=(*PLT, nowhere)))
    (headers,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<I", data, headers + 64 * (TEXT + 2 + len(PLT)) + 44, 12035)
    assert answer(bytes(data), facts).outcome == outcome


def test_a_branch_that_was_not_counted_has_no_way_to_go(build_module: BuildModule, facts: KernelFacts) -> None:
    """Seen on 6.12: `module_emit_plt_entry` warns, and the module is refused without a word."""
    data = bytearray(module(build_module, (4, CALL26, PRINTK, 0)))
    flags = struct.unpack_from("<Q", data, 40)[0] + 64 * TEXT + 8
    struct.pack_into("<Q", data, flags, 2)
    assert answer(bytes(data), facts).outcome == "cannot-tell"  # kernel and module may lie close to each other
    far = module(build_module, (4, CALL26, TEXT_SYMBOL, 1 << 40), defined_in=TEXT)
    found = answer(far, facts)
    assert (found.outcome, found.errno, found.log) == ("refused", "ENOEXEC", None)


@pytest.mark.parametrize(
    ("kind", "word", "addend", "expected"),
    [
        (CALL26, 0x94000000, 16, 0x94000003),
        (LO19, 0x58000000, 8, 0x58000020),
        (274, 0x10000000, 7, 0x70000000),
        (279, 0x36000000, 12, 0x36000040),
        (287, 0xD2800000, 20, 0xD2800200),
        (287, 0xD2800000, -4, 0x928000E0),
    ],
)
def test_a_value_is_put_into_the_field_of_its_instruction(
    build_module: BuildModule, facts: KernelFacts, kind: int, word: int, addend: int, expected: int
) -> None:
    """Expected words: the encodings of the Arm manual, for an instruction at 4 and a target at 0 + addend."""
    data = bytearray(module(build_module, (4, kind, TEXT_SYMBOL, addend), defined_in=TEXT))
    (headers,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<I", data, struct.unpack_from("<Q", data, headers + 64 * TEXT + 24)[0] + 4, word)
    image = ModuleImage(bytes(data))
    memory = loader_run(image, facts).memory
    assert memory is not None
    assert memory.read(memory.address(TEXT) + 4, 4) == struct.pack("<I", expected)


@pytest.mark.parametrize(
    ("addend", "outcome"),
    [(0, "reaches-init"), (8, "reaches-init"), (4, "crashes-kernel"), (1 << 40, "crashes-kernel")],
)
def test_the_function_tracer_writes_before_each_function(
    build_module: BuildModule, facts: KernelFacts, addend: int, outcome: str
) -> None:
    """Seen on 6.12: `aarch64_insn_write_literal_u64` finds no page there."""
    table = struct.pack("<QQq", 0, TEXT_SYMBOL << 32 | ABS64, addend)
    sections = (*PLT, ("__patchable_function_entries", 1, 3, bytes(8)), (".rela__patchable", 4, 0x40, table))
    data = bytearray(module(build_module, sections=sections, defined_in=TEXT))
    (headers,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<I", data, headers + 64 * (TEXT + 2 + len(sections) - 1) + 44, TEXT + 2 + len(sections) - 2)
    assert answer(bytes(data), facts).outcome == outcome


def test_relocations_without_addends_are_refused(build_module: BuildModule, facts: KernelFacts) -> None:
    assert answer(module(build_module, (4, ABS64, PRINTK, 0), kind=9), facts).log == "REL relocation unsupported"


@pytest.mark.parametrize("missing", [0, 1])
def test_a_module_without_room_for_far_branches_is_refused(
    build_module: BuildModule, facts: KernelFacts, missing: int
) -> None:
    data = module(build_module, sections=PLT[:missing] + PLT[missing + 1 :])
    found = answer(data, facts)
    assert (found.errno, found.step, found.log) == ("ENOEXEC", 8, "hello: module PLT section(s) missing")


def test_a_module_without_the_tracers_section_is_refused_without_a_word(
    build_module: BuildModule, facts: KernelFacts
) -> None:
    found = answer(module(build_module, sections=PLT[:2]), facts)
    assert (found.outcome, found.errno, found.log) == ("refused", "ENOEXEC", None)


def test_flags_of_sections_the_loader_makes_room_with_are_its_own(
    build_module: BuildModule, facts: KernelFacts
) -> None:
    """Seen on 6.1: it overwrites them before it looks for what could be written and executed."""
    data = bytearray(module(build_module))
    (headers,) = struct.unpack_from("<Q", data, 40)
    struct.pack_into("<Q", data, headers + 64 * (TEXT + 2) + 8, 7)  # .plt
    assert not list(CHECKS["section-flags"](ModuleImage(bytes(data)), facts, LoadRequest()))
    struct.pack_into("<Q", data, headers + 64 * TEXT + 8, 7)
    assert list(CHECKS["section-flags"](ModuleImage(bytes(data)), facts, LoadRequest()))


def test_struct_module_in_memory_made_read_only_is_the_kernels_end(
    build_module: BuildModule, facts: KernelFacts
) -> None:
    """Seen on 6.12: the loader writes to it after `complete_formation`."""
    data = bytearray(module(build_module))
    struct.pack_into("<Q", data, struct.unpack_from("<Q", data, 40)[0] + 64 * 3 + 8, 2)
    assert answer(bytes(data), facts).outcome == "crashes-kernel"


def test_a_kernel_that_wants_none_gets_none(build_module: BuildModule, make_facts: MakeFacts) -> None:
    facts = make_facts(machine=Fact(183, "test"), config=Fact({}, "test"))
    assert answer(module(build_module, sections=()), facts).outcome == "reaches-init"


def test_a_value_beyond_the_largest_number_does_not_fit(build_module: BuildModule, facts: KernelFacts) -> None:
    """Seen on 5.10: `overflow in relocation type 261`."""
    data = bytearray(module(build_module, (0, PREL32, TEXT_SYMBOL, 0), defined_in=TEXT))
    start = next(each for each in ModuleImage(bytes(data)).section_headers if each.type == SHT_SYMTAB).offset
    struct.pack_into("<Q", data, start + 24 * TEXT_SYMBOL + 8, (1 << 63) - 1)
    assert answer(bytes(data), facts).outcome == "refused"


@pytest.mark.parametrize(("addend", "outcome"), [(0xEB00000000, "cannot-tell"), (0xEB00000004, "reaches-init")])
def test_entries_of_branches_are_compared_by_what_is_no_adrp(
    build_module: BuildModule, facts: KernelFacts, addend: int, outcome: str
) -> None:
    """Seen on 6.1: `kernel BUG at arch/arm64/lib/insn.c`, when the other branch did not reach, either."""
    data = module(build_module, (0, CALL26, PRINTK, 0), (4, CALL26, PRINTK, addend))
    assert answer(data, facts).outcome == outcome


@pytest.mark.parametrize(
    ("section", "keeps_all", "outcome"),
    [(DATA, True, "crashes-kernel"), (DATA, False, "reaches-init"), (TEXT, False, "crashes-kernel")],
)
def test_names_of_data_are_read_where_they_are_kept(
    build_module: BuildModule, make_facts: MakeFacts, section: int, keeps_all: bool, outcome: str
) -> None:
    """Seen on 5.10 and 6.1, which Debian builds for arm64 without CONFIG_KALLSYMS_ALL."""
    data = bytearray(module(build_module, sections=(*PLT, (".data", 1, 3, bytes(64))), defined_in=section))
    start = next(each for each in ModuleImage(bytes(data)).section_headers if each.type == SHT_SYMTAB).offset
    struct.pack_into("<I", data, start + 24 * TEXT_SYMBOL, 0x7FFFFFFF)
    options = OPTIONS | ({"KALLSYMS_ALL": "y"} if keeps_all else {})
    assert answer(bytes(data), arm64_facts(make_facts, options)).outcome == outcome
