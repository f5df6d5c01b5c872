"""Fixtures for every room's tests."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def kernel_tree() -> Path:
    """The root of an unpacked kernel package: lib/modules/RELEASE/kernel, boot/vmlinuz-RELEASE."""
    tree = Path("/tmp/exp/k")  # noqa: S108 - replaced by the kernel store
    if not tree.is_dir():
        pytest.skip("no unpacked kernel package")
    return tree
