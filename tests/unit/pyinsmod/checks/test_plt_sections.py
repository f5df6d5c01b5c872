"""What arm64's loader trips over while it looks for the sections of far branches; expected: the order in its source."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks import CHECKS
from pyinsmod.elf_format import PAGE
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import predict
from tests.unit.pyinsmod.checks.test_relocations_aarch64 import OPTIONS, PLT, arm64_facts, module

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]
CONSULTED = ("elf", "plt-sections", "constructors", "relocations", "special-sections")


@pytest.fixture
def facts(make_facts: MakeFacts) -> KernelFacts:
    return arm64_facts(make_facts, OPTIONS)


def named_behind(data: bytes, behind: int, number: int = 0) -> bytes:
    """Return the module with the name of a section so many bytes behind the last page of the file."""
    copy = bytearray(data)
    names = ModuleImage(data).section_headers[-1].offset
    name = -(-len(data) // PAGE) * PAGE - names + behind
    struct.pack_into("<I", copy, struct.unpack_from("<Q", data, 40)[0] + 64 * number, name)
    return bytes(copy)


def findings(data: bytes, facts: KernelFacts) -> list[Finding]:
    image = ModuleImage(data)
    return [found for name in CONSULTED for found in CHECKS[name](image, facts, LoadRequest())]


@pytest.mark.parametrize(
    ("behind", "outcome"),
    [(-64, "reaches-init"), (0, "crashes-kernel"), (PAGE, "cannot-tell"), (1 << 30, "crashes-kernel")],
)
def test_the_name_of_section_0_is_read_with_all_others(
    build_module: BuildModule, facts: KernelFacts, behind: int, outcome: str
) -> None:
    found = findings(named_behind(module(build_module), behind), facts)
    assert predict(found).outcome == outcome
    assert {each.check for each in found} <= {"plt-sections"}
    assert {each.step for each in found} <= {8}


def test_names_are_read_before_a_section_is_missed(build_module: BuildModule, facts: KernelFacts) -> None:
    data = module(build_module, sections=PLT[1:])
    assert predict(findings(data, facts)).outcome == "refused"
    assert predict(findings(named_behind(data, 0), facts)).outcome == "crashes-kernel"


def test_a_name_that_is_no_longer_that_of_the_section_is_missed(build_module: BuildModule, facts: KernelFacts) -> None:
    """Any other name within the table, by a byte of the table or of the header."""
    data = bytearray(module(build_module))
    at = data.index(b"\0.plt\0") + 1
    data[at + 1] = ord("q")
    found = predict(findings(bytes(data), facts))
    assert (found.outcome, found.errno, found.log) == ("refused", "ENOEXEC", "hello: module PLT section(s) missing")
