"""Relocations and symbols that no build system makes. Expected values: real 5.10, 6.1, 6.12, 7.2 kernels."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.checks import CHECKS, run_checks
from pyinsmod.checks.plain import is_plain
from pyinsmod.elf_format import SHT_SYMTAB
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage, read_image
from pyinsmod.prediction import Prediction, predict

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

TEXT, RELA_TEXT, SYMTAB = 4, 5, 6
NONE, R64, PC32, PLT32, U32, S32 = 0, 1, 2, 4, 10, 11
PRINTK = 1

# What tells the four kernels apart for these checks.
KERNELS = {
    "5.10": (),
    "6.1": ("symbol-sections-tested",),
    "6.12": ("symbol-sections-tested", "idempotent-load"),
    "7.2": ("symbol-sections-tested", "idempotent-load", "section-names-all-tested", "symbol-strings-tested"),
}
MINE = ("elf", "section-flags", "memory", "percpu", "constructors", "relocations", "special-sections")


@pytest.fixture(params=KERNELS)
def facts(request: pytest.FixtureRequest, make_facts: MakeFacts) -> KernelFacts:
    return of_kernel(request.param, make_facts)


def of_kernel(name: str, make_facts: MakeFacts) -> KernelFacts:
    features = {**dict.fromkeys(FEATURES, False), **dict.fromkeys(KERNELS[name], True)}
    return make_facts(
        features=Fact(features, "test"),
        config=Fact({"STRICT_MODULE_RWX": "y", "SMP": "y"}, "test"),
        struct_module_size=Fact(128, "test"),
    )


def patched(data: bytes, offset: int, layout: str, value: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(layout, copy, offset, value)
    return bytes(copy)


def header_field(data: bytes, number: int, offset: int, layout: str, value: int) -> bytes:
    """Return the module with one field of a section header changed."""
    return patched(data, int(struct.unpack_from("<Q", data, 40)[0]) + 64 * number + offset, layout, value)


def module(build_module: BuildModule, *entries: tuple[int, int, int, int], text: bytes = bytes(64)) -> bytes:
    """Return a module whose .text has relocations (offset, type, symbol, addend)."""
    table = b"".join(struct.pack("<QQq", at, symbol << 32 | kind, addend) for at, kind, symbol, addend in entries)
    sections = [(".text", 1, 6, text), (".rela.text", 4, 0x40, table)]
    return header_field(build_module(undefined=["_printk"], extra=sections), RELA_TEXT, 44, "<I", TEXT)


def answer(data: bytes, facts: KernelFacts) -> Prediction:
    image = ModuleImage(data)
    return predict([found for name in MINE for found in CHECKS[name](image, facts, LoadRequest())])


def test_relocations_as_compilers_make_them_are_fine(build_module: BuildModule, facts: KernelFacts) -> None:
    data = module(
        build_module, (1, PLT32, PRINTK, -4), (8, R64, PRINTK, 0), (16, PC32, PRINTK, 4), (20, S32, PRINTK, 0)
    )
    assert is_plain(ModuleImage(data))
    assert answer(data, facts).outcome == "reaches-init"


@pytest.mark.parametrize("kind", [3, 9, 12, 41, 42, 255, 0x80000002])
def test_a_kind_the_loader_does_not_know_is_refused(build_module: BuildModule, facts: KernelFacts, kind: int) -> None:
    found = answer(module(build_module, (1, kind, PRINTK, 0)), facts)
    assert (found.outcome, found.errno, found.step) == ("refused", "ENOEXEC", 10)
    assert found.log == f"Unknown rela relocation: {kind}"


def test_the_place_has_to_be_zero(build_module: BuildModule, facts: KernelFacts) -> None:
    found = answer(module(build_module, (1, PC32, PRINTK, 0), text=bytes(4) + b"\x01" + bytes(59)), facts)
    assert (found.outcome, found.errno) == ("refused", "ENOEXEC")
    assert "nonzero for type 2" in str(found.log)


def test_two_relocations_of_one_place_are_one_too_many(build_module: BuildModule, facts: KernelFacts) -> None:
    assert answer(module(build_module, (4, R64, PRINTK, 0), (8, PC32, PRINTK, 0)), facts).errno == "ENOEXEC"


@pytest.mark.parametrize(("kind", "outcome"), [(U32, "refused"), (S32, "reaches-init")])
def test_an_address_of_the_kernel_fits_into_32_bits_only_with_a_sign(
    build_module: BuildModule, facts: KernelFacts, kind: int, outcome: str
) -> None:
    assert answer(module(build_module, (4, kind, PRINTK, 0)), facts).outcome == outcome


@pytest.mark.parametrize(("place", "outcome"), [(1, "refused"), (2, "refused"), (3, "reaches-init")])
def test_what_stays_in_the_copy_of_the_file_is_out_of_reach(
    build_module: BuildModule, facts: KernelFacts, place: int, outcome: str
) -> None:
    """Seen on 6.1, of a symbol in .modinfo: `overflow in relocation type 11`. Struct module is near."""
    data = bytearray(module(build_module, (4, S32, PRINTK, 0)))
    start = ModuleImage(bytes(data)).section_headers[SYMTAB].offset
    struct.pack_into("<H", data, start + 24 + 6, place)
    assert answer(bytes(data), facts).outcome == outcome


@pytest.mark.parametrize(("place", "outcome"), [(TEXT, "reaches-init"), (TEXT + 2, "reaches-init"), (2, "refused")])
def test_a_per_cpu_variable_has_a_small_address(
    build_module: BuildModule, facts: KernelFacts, place: int, outcome: str
) -> None:
    """It is counted from where a processor's own variables begin; versions stay in the copy of the file, far away."""
    rela = struct.pack("<QQq", 100, PRINTK << 32 | S32, 0)  # behind .text, so that the loader is followed
    sections = [(".text", 1, 6, bytes(64)), (".rela.text", 4, 0x40, rela), (".data..percpu", 1, 3, bytes(8))]
    data = bytearray(header_field(build_module(undefined=["_printk"], extra=sections), RELA_TEXT, 44, "<I", TEXT))
    start = ModuleImage(bytes(data)).section_headers[TEXT + 3].offset
    struct.pack_into("<H", data, start + 24 + 6, place)
    assert answer(bytes(data), facts).outcome == outcome


def test_rel_is_refused(build_module: BuildModule, facts: KernelFacts) -> None:
    data = header_field(module(build_module, (4, PC32, PRINTK, 0)), RELA_TEXT, 4, "<I", 9)
    found = answer(data, facts)
    assert (found.errno, found.log) == ("ENOEXEC", "REL relocation unsupported")


def test_tables_for_sections_that_stay_out_of_memory_are_passed_over(
    build_module: BuildModule, facts: KernelFacts
) -> None:
    bad = module(build_module, (1 << 40, 99, 7777777, 0))
    for other in (0, SYMTAB + 1, 999, 0xFFFFFFFF):
        wrong = header_field(bad, RELA_TEXT, 44, "<I", other)
        # The symbols' names are in memory by then (`layout_symtab`), nothing else of these is.
        expected = "crashes-kernel" if other == SYMTAB + 1 else "reaches-init"
        assert answer(wrong, facts).outcome == expected


@pytest.mark.parametrize("offset", [1 << 30, 1 << 63, (1 << 64) - (1 << 28)])
def test_a_place_outside_of_the_module_crashes_every_kernel(
    build_module: BuildModule, facts: KernelFacts, offset: int
) -> None:
    assert answer(module(build_module, (offset, PC32, PRINTK, 0)), facts).outcome == "crashes-kernel"


@pytest.mark.parametrize("symbol", [0x80001, 0x32424751, 0xCB22852A])
def test_a_symbol_that_is_not_there_crashes_every_kernel(
    build_module: BuildModule, facts: KernelFacts, symbol: int
) -> None:
    assert answer(module(build_module, (4, PC32, symbol, 0)), facts).outcome == "crashes-kernel"


def test_a_place_behind_the_section_but_in_the_same_page_is_changed_unnoticed(
    build_module: BuildModule, facts: KernelFacts
) -> None:
    data = module(build_module, (100, PC32, PRINTK, 0))
    assert not is_plain(ModuleImage(data))
    assert answer(data, facts).outcome == "reaches-init"


@pytest.mark.parametrize(
    ("kernel", "outcome"),
    [("5.10", "crashes-kernel"), ("6.1", "crashes-kernel"), ("6.12", "crashes-kernel"), ("7.2", "refused")],
)
def test_a_symbols_name_far_away_is_read_by_all_but_the_newest(
    build_module: BuildModule, make_facts: MakeFacts, kernel: str, outcome: str
) -> None:
    data = module(build_module)
    at = data.index(struct.pack("<IBBHQQ", 1, 1 << 4, 0, 0, 0, 0))
    assert answer(patched(data, at, "<I", 0xE6E47BA6), of_kernel(kernel, make_facts)).outcome == outcome


# --- memory


def test_memory_beyond_the_module_area_is_never_had(build_module: BuildModule, facts: KernelFacts) -> None:
    data = build_module(extra=[(".bss", 8, 3, b"")])
    found = answer(header_field(data, 4, 32, "<Q", 0x7F000000), facts)
    assert (found.outcome, found.errno, found.step) == ("refused", "ENOMEM", 8)


def test_sizes_wrap_at_32_bits(build_module: BuildModule, facts: KernelFacts) -> None:
    data = build_module(extra=[(".bss", 8, 3, b"")])
    assert answer(header_field(data, 4, 32, "<Q", 1 << 40), facts).outcome == "reaches-init"


def test_an_alignment_is_used_as_it_is_and_the_low_half_of_it(build_module: BuildModule, facts: KernelFacts) -> None:
    data = module(build_module, (1, PC32, PRINTK, 0))
    assert answer(header_field(data, TEXT, 48, "<Q", 1 << 57), facts).outcome == "reaches-init"


@pytest.mark.parametrize("kernel", ["5.10", "6.1"])
def test_struct_module_too_small_is_used_all_the_same_by_old_kernels(
    build_module: BuildModule, make_facts: MakeFacts, kernel: str
) -> None:
    """What stands behind it is taken for the rest of it; zeros at its very end do no harm (see the agreement run)."""
    facts = of_kernel(kernel, make_facts)
    assert answer(header_field(build_module(), 3, 32, "<Q", 0), facts).outcome == "crashes-kernel"
    followed = build_module(extra=[(".data", 1, 3, b"\xff" * 2000)])
    assert answer(header_field(followed, 3, 32, "<Q", 100), facts).outcome == "crashes-kernel"


@pytest.mark.parametrize("kernel", ["6.12", "7.2"])
def test_struct_module_of_another_size_is_refused_by_newer_ones(
    build_module: BuildModule, make_facts: MakeFacts, kernel: str
) -> None:
    found = answer(header_field(build_module(), 3, 32, "<Q", 100), of_kernel(kernel, make_facts))
    assert (found.outcome, found.errno, found.step) == ("refused", "ENOEXEC", 6)


def test_sections_both_writable_and_executable_are_refused_in_memory_or_not(
    build_module: BuildModule, facts: KernelFacts
) -> None:
    for flags in (7, 5):
        found = answer(build_module(extra=[(".data.exec", 1, flags, b"\0")]), facts)
        assert (found.errno, found.step) == ("ENOEXEC", 8)
        assert "section .data.exec (index 4) has invalid WRITE|EXEC flags" in str(found.log)


@pytest.mark.parametrize(("size", "outcome"), [(8, "reaches-init"), (8000, "cannot-tell"), (9000, "refused")])
def test_per_cpu_data_shares_eight_kilobytes(
    build_module: BuildModule, facts: KernelFacts, size: int, outcome: str
) -> None:
    """8000 bytes were had on 6.1 and 7.2 with nothing else loaded, 9000 were not."""
    found = answer(build_module(extra=[(".data..percpu", 1, 3, bytes(size))]), facts)
    assert found.outcome == outcome
    assert found.errno == ("ENOMEM" if outcome == "refused" else None)


def test_constructors_of_both_kinds_matter_where_constructors_are_called(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    data = build_module(extra=[(".ctors", 1, 3, bytes(8)), (".init_array", 1, 3, bytes(8))])
    for option, outcome in (({"CONSTRUCTORS": "y"}, "refused"), ({}, "reaches-init")):
        facts = make_facts(config=Fact(option, "test"))
        found = predict(list(CHECKS["constructors"](ModuleImage(data), facts, LoadRequest())))
        assert (found.outcome, found.errno) == (outcome, "EINVAL" if option else None)


# --- names of sections, and .modinfo


@pytest.mark.parametrize(
    ("kernel", "outcome"),
    [("5.10", "crashes-kernel"), ("6.1", "crashes-kernel"), ("6.12", "crashes-kernel"), ("7.2", "refused")],
)
def test_the_name_of_a_section_out_of_memory_is_read_before_it_is_tested(
    build_module: BuildModule, make_facts: MakeFacts, kernel: str, outcome: str
) -> None:
    data = header_field(build_module(extra=[(".comment", 1, 0, b"gcc\0")]), 4, 0, "<I", 0x40000009)
    assert answer(data, of_kernel(kernel, make_facts)).outcome == outcome


@pytest.mark.parametrize(("kernel", "seen"), [("5.10", False), ("6.1", False), ("6.12", True), ("7.2", True)])
def test_modinfo_out_of_memory_is_not_seen_by_old_loaders(
    build_module: BuildModule, make_facts: MakeFacts, kernel: str, seen: bool
) -> None:
    image = ModuleImage(header_field(build_module(), 1, 8, "<Q", 0))
    assert (image.seen_by(of_kernel(kernel, make_facts).has).vermagic is not None) == seen


# --- good modules


def test_good_modules_have_nothing_to_complain_of(kernel_tree: Path, make_facts: MakeFacts) -> None:
    facts = of_kernel("6.1", make_facts)
    facts.struct_module_size = Fact(0x380, "the same kernel's modules, all of them")
    for path in sorted(kernel_tree.rglob("*.ko"))[::60]:
        image = read_image(path.read_bytes())
        assert [found for name in MINE for found in CHECKS[name](image, facts, LoadRequest())] == [], path


def test_a_hostile_table_takes_no_longer_than_its_size(build_module: BuildModule, facts: KernelFacts) -> None:
    entries = [(0, PC32, PRINTK, 0)] * 100_000
    assert answer(module(build_module, *entries), facts).errno == "ENOEXEC"
    assert run_checks(ModuleImage(module(build_module, *entries)), facts)


@pytest.mark.parametrize("kernel", ["5.10", "6.1"])
def test_a_struct_module_without_contents_is_all_zeros_to_an_old_kernel(
    build_module: BuildModule, make_facts: MakeFacts, kernel: str
) -> None:
    found = answer(header_field(build_module(), 3, 4, "<I", 8), of_kernel(kernel, make_facts))
    assert (found.outcome, found.step) == ("crashes-kernel", 8)


@pytest.mark.parametrize(("fortified", "outcome"), [(True, "crashes-kernel"), (False, "reaches-init")])
def test_a_name_without_an_end_kills_a_kernel_that_measures_it(
    build_module: BuildModule, make_facts: MakeFacts, fortified: bool, outcome: str
) -> None:
    features = {**(of_kernel("6.1", make_facts).features.value or {}), "fortified-strlen": fortified}
    facts = make_facts(features=Fact(features, "test"))
    assert answer(build_module(name="n" * 56), facts).outcome == outcome


@pytest.mark.parametrize(("section", "outcome"), [(0x7DCF, "cannot-tell"), (0xFFF1, "reaches-init")])
def test_the_first_symbols_section_is_looked_up_before_anybody_tests_it(
    build_module: BuildModule, facts: KernelFacts, section: int, outcome: str
) -> None:
    """`elf_type`, seen to crash 7.2, and to do 6.1 no harm; reserved numbers are not looked up."""
    data = build_module(undefined=["_printk"])
    tables = (number for number, header in enumerate(ModuleImage(data).section_headers) if header.type == SHT_SYMTAB)
    start = ModuleImage(data).section_headers[next(tables)].offset
    assert answer(patched(data, start + 6, "<H", section), facts).outcome == outcome
