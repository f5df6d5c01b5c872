"""Where struct module lies. Expected values: what real 6.1, 6.12 and 7.2 kernels did."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks import CHECKS
from pyinsmod.elf_format import SHF_ALLOC, SHF_EXECINSTR, SHF_WRITE, SHT_SYMTAB
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import Prediction, predict

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

HEADER, FLAGS = 64, 8
STRUCT_MODULE = 3
ONE_AREA, MANY_AREAS = (), ("idempotent-load",)


def prediction(data: bytes, flags: int, make_facts: MakeFacts, features: tuple[str, ...]) -> Prediction:
    """Return what becomes of a module that uses a symbol nobody has, with these flags of its struct module."""
    copy = bytearray(data)
    struct.pack_into("<Q", copy, struct.unpack_from("<Q", data, 40)[0] + HEADER * STRUCT_MODULE + FLAGS, flags)
    known = {**dict.fromkeys(FEATURES, False), **dict.fromkeys(features, True)}
    facts = make_facts(features=Fact(known, "test"), config=Fact({}, "test"))
    image = ModuleImage(bytes(copy))
    return predict([found for name in ("memory", "symbols") for found in CHECKS[name](image, facts, LoadRequest())])


@pytest.mark.parametrize(
    ("flags", "features", "outcome"),
    [
        (SHF_ALLOC, MANY_AREAS, "crashes-kernel"),
        (SHF_ALLOC, ONE_AREA, "refused"),
        (SHF_ALLOC | SHF_WRITE, MANY_AREAS, "refused"),
        # On kernels that share pages of code it is not known what is read of it when it was freed.
        (SHF_ALLOC | SHF_EXECINSTR, MANY_AREAS, "refused"),
    ],
)
def test_a_struct_module_that_cannot_be_written_is_freed_before_its_last_use(
    build_module: BuildModule, make_facts: MakeFacts, flags: int, features: tuple[str, ...], outcome: str
) -> None:
    """The refusal of a symbol comes later than the layout, and ends in the crash."""
    found = prediction(build_module(undefined=["nowhere_to_be_found"]), flags, make_facts, features)
    assert found.outcome == outcome
    assert found.errno == ("ENOENT" if outcome == "refused" else None)


@pytest.mark.parametrize(("section", "read"), [(0xFEFF, True), (0xFF00, False), (0xFFFF, False)])
def test_symbol_0_is_not_looked_up_by_its_section_but_for_the_flags(
    build_module: BuildModule, make_facts: MakeFacts, section: int, read: bool
) -> None:
    """`simplify_symbols` begins with symbol 1, and `elf_type` reads no header of a reserved number."""
    data = bytearray(build_module())
    symbols = next(each for each in ModuleImage(bytes(data)).section_headers if each.type == SHT_SYMTAB)
    struct.pack_into("<H", data, symbols.offset + 6, section)
    facts = make_facts(features=Fact(dict.fromkeys(FEATURES, False), "test"), config=Fact({}, "test"))
    found = list(CHECKS["memory"](ModuleImage(bytes(data)), facts, LoadRequest()))
    assert any("symbol 0 lies in section" in finding.summary for finding in found) == read
