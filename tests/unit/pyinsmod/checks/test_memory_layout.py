"""The loader's own arithmetic. Expected values: the kernel's ALIGN, worked out by hand in 32 bits."""

from __future__ import annotations

import pytest

from pyinsmod.checks.memory_layout import aligned


@pytest.mark.parametrize(
    ("size", "alignment", "expected"),
    [
        (5, 0, 5),
        (5, 1, 5),
        (0, 8, 0),
        (1, 8, 8),
        (8, 8, 8),
        (9, 8, 16),
        (0xFFFF_FFFF, 16, 0),
        # No power of two: (5 + 2) & ~2 and (6 + 2) & ~2.
        (5, 3, 5),
        (6, 3, 8),
        # Only the low half counts: (5 + 0xffffffff) & 0.
        (5, 1 << 57, 0),
        (5, (1 << 32) + 8, 8),
    ],
)
def test_an_alignment_is_taken_as_it_is(size: int, alignment: int, expected: int) -> None:
    assert aligned(size, alignment) == expected
