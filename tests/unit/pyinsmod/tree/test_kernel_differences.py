"""What two kernels differ in is named, or it is said that it cannot be."""

from __future__ import annotations

from pyinsmod.cli.kernels import kernel_named
from pyinsmod.tree.kernel_differences import differences


def test_two_kernels_of_the_store() -> None:
    configuration, structures = differences(kernel_named("6.1"), kernel_named("6.12"))
    assert "MODULE_COMPRESS_XZ not set → y" in configuration
    assert "module 896 → 1280" in structures


def test_a_kernel_beside_itself() -> None:
    configuration, structures = differences(kernel_named("6.1"), kernel_named("6.1"))
    assert configuration == "configuration: the same"
    assert "none of the well-known ones" in structures


def test_what_is_not_at_hand_is_said() -> None:
    assert next(differences(kernel_named("6.1"), kernel_named("7.2"))).endswith("is not at hand")
