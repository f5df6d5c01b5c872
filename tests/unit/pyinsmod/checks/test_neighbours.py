"""What lies beside the module in memory. Expected values: what real 5.10, 6.1, 6.12 and 7.2 kernels did.

A page behind each area is never there: that crashed every time. Further on the same kernel was seen to crash, to
refuse and to go on, by how far it was.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks import CHECKS
from pyinsmod.elf_format import SHT_SYMTAB
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import decisive_finding, predict

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

PAGE, HEADER = 4096, 64
ALLOC, NOBITS = 2, 8
BSS, STRUCT_MODULE, RELA = 4, 3, 5
WIDE, SIGNED = 1, 11  # R_X86_64_64, R_X86_64_32S
OLD: tuple[str, ...] = ()
TESTED = ("symbol-sections-tested", "empty-section-names-tested")
COUNTING = (*TESTED, "idempotent-load", "module-btf")


def findings(data: bytes, make_facts: MakeFacts, *features: str) -> list[Finding]:
    known = {**dict.fromkeys(FEATURES, False), **dict.fromkeys(features, True)}
    facts = make_facts(features=Fact(known, "test"), config=Fact({}, "test"))
    names = ("elf", "memory", "constructors", "relocations", "special-sections", "sysfs-name")
    return [found for name in names for found in CHECKS[name](ModuleImage(data), facts, LoadRequest())]


def field(data: bytes, number: int, offset: int, layout: str, value: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(layout, copy, struct.unpack_from("<Q", data, 40)[0] + HEADER * number + offset, value)
    return bytes(copy)


def named_at(data: bytes, number: int, behind: int) -> bytes:
    """Return the module with the name of a section so many bytes behind the last page of the file."""
    names = ModuleImage(data).section_headers[-1].offset
    return field(data, number, 0, "<I", -(-len(data) // PAGE) * PAGE - names + behind)


@pytest.mark.parametrize("features", [OLD, TESTED, COUNTING])
@pytest.mark.parametrize(
    ("behind", "outcome"),
    [
        (-64, "reaches-init"),
        (0, "crashes-kernel"),
        (0x800, "crashes-kernel"),
        (0x1800, "cannot-tell"),
        (0xC800, "cannot-tell"),
        (0x10000800, "cannot-tell"),
        (0x40000800, "crashes-kernel"),
    ],
)
def test_the_name_of_a_section_is_read_behind_the_file(
    build_module: BuildModule, make_facts: MakeFacts, features: tuple[str, ...], behind: int, outcome: str
) -> None:
    data = named_at(build_module(extra=[(".bss", NOBITS, 3, b"")]), BSS, behind)
    assert predict(findings(data, make_facts, *features)).outcome == outcome


def test_what_may_crash_is_not_tried_out(build_module: BuildModule, make_facts: MakeFacts) -> None:
    """`load` goes by the decisive finding, whatever else is in doubt."""
    found = findings(named_at(build_module(extra=[(".bss", NOBITS, 3, b"")]), BSS, PAGE), make_facts)
    decisive = decisive_finding(found)
    assert decisive is not None
    assert decisive.severity == "crashes"


@pytest.mark.parametrize(
    ("features", "flags", "check"),
    [
        (OLD, ALLOC, "elf"),
        (OLD, 0, "special-sections"),
        (TESTED, 0, "special-sections"),
        ((*TESTED, "module-btf"), 0, "constructors"),
        (COUNTING, 0, "elf"),
    ],
)
def test_a_name_is_read_when_somebody_looks_for_its_kind_of_section(
    build_module: BuildModule, make_facts: MakeFacts, features: tuple[str, ...], flags: int, check: str
) -> None:
    """Seen on 5.10 and 6.1: a relocation, or the vermagic, was refused before the name was read."""
    kind = NOBITS if flags else 1
    data = named_at(build_module(extra=[(".comment", kind, flags, b"" if flags else b"gcc\0")]), BSS, 0)
    assert [found.check for found in findings(data, make_facts, *features) if found.severity == "crashes"] == [check]


def test_the_search_for_type_information_ends_where_it_is(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = named_at(build_module(extra=[(".BTF", 1, 0, b"1234"), (".comment", 1, 0, b"gcc\0")]), BSS + 1, 0)
    found = findings(data, make_facts, *TESTED, "module-btf")
    assert [each.check for each in found if each.severity == "crashes"] == ["special-sections"]


@pytest.mark.parametrize(("features", "outcome"), [(OLD, "crashes-kernel"), (TESTED, "refused")])
def test_the_last_byte_of_no_names_at_all_is_before_the_file(
    build_module: BuildModule, make_facts: MakeFacts, features: tuple[str, ...], outcome: str
) -> None:
    """Seen on 5.10; it comes before the test of section 0."""
    data = build_module()
    last = len(ModuleImage(data).section_headers) - 1
    data = field(field(field(data, last, 24, "<Q", 0), last, 32, "<Q", 0), 0, 4, "<I", 1)
    assert predict(findings(data, make_facts, *features)).outcome == outcome


@pytest.mark.parametrize(
    ("beyond", "outcome"), [(0x800, "crashes-kernel"), (0x1800, "cannot-tell"), (0x3FF000, "cannot-tell")]
)
def test_the_header_of_a_section_that_is_not_there_is_read_behind_the_file(
    build_module: BuildModule, make_facts: MakeFacts, beyond: int, outcome: str
) -> None:
    data = bytearray(build_module(undefined=["_printk"]))
    start = next(each for each in ModuleImage(bytes(data)).section_headers if each.type == SHT_SYMTAB).offset
    table = struct.unpack_from("<Q", data, 40)[0]
    struct.pack_into("<H", data, start + 24 + 6, (-(-len(data) // PAGE) * PAGE + beyond - table) // HEADER)
    assert predict(findings(bytes(data), make_facts, *OLD)).outcome == outcome


@pytest.mark.parametrize(
    ("first", "outcome"),
    [
        (WIDE, "crashes-kernel"),  # whatever the value is
        (SIGNED, "cannot-tell"),  # it may be refused
        (None, "crashes-kernel"),
    ],
)
def test_a_crash_is_certain_when_the_kernel_crashes_before_or_goes_on_to_it(
    build_module: BuildModule, make_facts: MakeFacts, first: int | None, outcome: str
) -> None:
    """Seen on 5.10: the header was there or was not, and a relocation of a place far away ended it."""
    lost = struct.pack("<QQq", 1 << 40, 2 << 32 | WIDE, 0)
    table = (b"" if first is None else struct.pack("<QQq", 0, 1 << 32 | first, 0)) + lost
    extra = [(".text", 1, 6, bytes(64)), (".rela.text", 4, 0x40, table)]
    data = bytearray(build_module(undefined=["_printk", "other"], extra=extra))
    data = bytearray(field(bytes(data), RELA, 44, "<I", RELA - 1))
    start = next(each for each in ModuleImage(bytes(data)).section_headers if each.type == SHT_SYMTAB).offset
    struct.pack_into("<H", data, start + 24 + 6, 0x400)
    assert predict(findings(bytes(data), make_facts, *OLD)).outcome == outcome


@pytest.mark.parametrize(
    ("offset", "outcome"),
    [(0, "refused"), (8, "refused"), (24, "refused"), (400, "cannot-tell")],
    ids=["state", "list", "name", "who knows"],
)
def test_struct_module_is_partly_filled_when_it_is_relocated(
    build_module: BuildModule, make_facts: MakeFacts, offset: int, outcome: str
) -> None:
    table = struct.pack("<QQq", offset, 1 << 32 | 1, 0)
    # The zeros behind the small struct module of these tests make it as big as real ones are.
    data = build_module(undefined=["_printk"], extra=[(".zeros", 1, 0, bytes(896)), (".rela.this_module", 4, 0, table)])
    data = field(field(data, STRUCT_MODULE, 32, "<Q", 896), RELA, 44, "<I", STRUCT_MODULE)
    assert predict(findings(data, make_facts, *TESTED)).outcome == outcome


def test_a_refusal_is_certain_that_comes_behind_the_doubt_of_one(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    """Seen on 7.2: a relocation of struct module, and then one of a kind that nobody knows."""
    table = struct.pack("<QQqQQq", 400, 1 << 32 | WIDE, 0, 8, 1 << 32 | 200, 0)
    data = build_module(undefined=["_printk"], extra=[(".zeros", 1, 0, bytes(896)), (".rela.this_module", 4, 0, table)])
    data = field(field(data, STRUCT_MODULE, 32, "<Q", 896), RELA, 44, "<I", STRUCT_MODULE)
    predicted = predict(findings(data, make_facts, *TESTED))
    assert (predicted.outcome, predicted.errno) == ("refused", "ENOEXEC")
