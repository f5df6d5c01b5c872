"""Fixtures for every room's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from vm.kernel_store import fetch


@pytest.fixture(scope="session")
def kernel_tree() -> Path:
    """The root of an unpacked kernel package: lib/modules/RELEASE/kernel, boot/vmlinuz-RELEASE."""
    return fetch("6.1").root
