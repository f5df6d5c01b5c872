"""The module's memory in user space: what is mapped, what lies beside it, and how far a distance leads."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyinsmod.checks.loader_memory import SHARED_TEXT_NEIGHBOURS, LoaderMemory, near, signed_32
from pyinsmod.checks.loader_x86_64 import RULES
from pyinsmod.checks.memory_layout import TEXT, place
from pyinsmod.elf_format import PAGE
from pyinsmod.module_image import ModuleImage

BuildModule = Callable[..., bytes]

FAR = SHARED_TEXT_NEIGHBOURS


def memory(build_module: BuildModule, *, shared_text: bool) -> LoaderMemory:
    """Return the memory of a module with a page of code."""
    image = ModuleImage(build_module(extra=[(".text", 1, 6, bytes(64))]))
    found = LoaderMemory(image, place(image, split=True), RULES.space, shared_text=shared_text)
    assert found.fill() is None
    return found


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0, 0),
        (1, 1),
        (0x7FFF_FFFF, 0x7FFF_FFFF),
        (0x8000_0000, -0x8000_0000),
        (0xFFFF_FFFF, -1),
        (-1, -1),
        (1 << 32, 0),
        (0x1_8000_0001, -0x7FFF_FFFF),
        (-0x1_0000_0002, -2),
    ],
)
def test_the_low_half_of_a_number_has_a_sign(value: int, expected: int) -> None:
    assert signed_32(value) == expected


@pytest.mark.parametrize(
    ("address", "distance", "expected"),
    [(0x1000, 0xFFFF_FFFC, 0xFFC), (0x1000, -4, 0xFFC), ((1 << 64) - 1, 1, 0), (0, -1, (1 << 64) - 1)],
)
def test_a_distance_leads_around_the_end_of_all_addresses(address: int, distance: int, expected: int) -> None:
    assert near(address, distance) == expected


@pytest.mark.parametrize(("distance", "unsettled"), [(-1, True), (FAR - 1, True), (FAR, False)])
def test_other_code_may_stand_on_both_sides_of_code_in_shared_pages(
    build_module: BuildModule, distance: int, unsettled: bool
) -> None:
    """No page is missing there, and the module may lie anywhere in the large page."""
    found = memory(build_module, shared_text=True)
    assert found.unsettled(_lowest_code(found) + distance) == unsettled


@pytest.mark.parametrize(
    ("distance", "unsettled"), [(-PAGE, False), (-1, False), (PAGE, False), (2 * PAGE - 1, False), (2 * PAGE, True)]
)
def test_the_pages_around_an_area_of_its_own_are_never_there(
    build_module: BuildModule, distance: int, unsettled: bool
) -> None:
    """The code takes one page, and what lies before it is the end of the lowest area."""
    found = memory(build_module, shared_text=False)
    assert found.unsettled(_lowest_code(found) + distance) == unsettled


def _lowest_code(found: LoaderMemory) -> int:
    start, content = found.areas[TEXT]
    assert len(content) == PAGE
    return start
