"""What is asked of an entry alone, on architectures whose modules are not made here. Expected: arch/arm64's sources."""

from __future__ import annotations

import struct

import pytest

from pyinsmod.checks.patch_tests import AARCH64_FEATURES, BY_FUNCTION, AArch64Tests

TESTS = AArch64Tests(nops=False, flags=True)
CODE = bytes(8)


def entry(feature: int, length: int, new_length: int) -> bytes:
    """A struct alt_instr (arch/arm64/include/asm/alternative.h) without its pointers."""
    return struct.pack("<iiHBB", 0, 0, feature, length, new_length)


@pytest.mark.parametrize(
    ("feature", "length", "new_length", "trouble"),
    [
        (3, 8, 8, False),
        (3, 8, 4, True),
        (3, 12, 12, True),
        (BY_FUNCTION | 3, 8, 0, False),
        (BY_FUNCTION | 3, 8, 8, True),
        (AARCH64_FEATURES - 1, 8, 4, True),
        (AARCH64_FEATURES, 8, 4, False),
        (BY_FUNCTION | AARCH64_FEATURES, 8, 8, False),
    ],
)
def test_an_alternative_of_arm64(feature: int, length: int, new_length: int, trouble: bool) -> None:
    """One of a feature that no processor has is never looked at."""
    assert (TESTS.alternative(entry(feature, length, new_length), CODE) is not None) == trouble
