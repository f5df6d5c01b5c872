"""Places that relocations change must lie in the section, apart from each other, and be empty: by columns."""

from __future__ import annotations

from array import array

import pytest

from pyinsmod.tree.relocated import _apart, _mixed_apart, in_a_row

R_X86_64_64, R_X86_64_PC32 = 1, 2


@pytest.mark.parametrize(
    ("offsets", "content", "plain"),
    [
        ([0, 8], bytes(16), True),
        ([8, 0], bytes(16), True),
        ([0, 4], bytes(16), False),
        ([4, 0], bytes(16), False),
        ([0, 9], bytes(16), False),
        ([0, 8], bytes(15) + b"\1", False),
        ([8], bytes(16), True),
        ([9], bytes(16), False),
        ([0], b"\1" + bytes(15), False),
    ],
)
def test_places_of_one_width(offsets: list[int], content: bytes, *, plain: bool) -> None:
    assert _apart(offsets, content, 8) is plain


@pytest.mark.parametrize(
    ("offsets", "content", "plain"),
    [
        ([0, 8], bytes(12), True),
        ([0, 7], bytes(12), False),
        ([0, 9], bytes(12), False),
        ([0, 8], bytes(7) + b"\1" + bytes(4), False),
        ([0, 8], bytes(11) + b"\1", False),
    ],
)
def test_places_of_two_widths(offsets: list[int], content: bytes, *, plain: bool) -> None:
    assert _mixed_apart(offsets, content, bytes((R_X86_64_64, R_X86_64_PC32))) is plain


def test_a_table_of_pointers_is_a_row() -> None:
    assert in_a_row(array("Q", (0, 8, 16)), 8)
    assert not in_a_row(array("Q", (0, 8, 24)), 8)
