"""Debian's generic kernel with its headers, for the benchmarks: downloaded once, kept in the cache, never in git."""

from __future__ import annotations

import re
from pathlib import Path

from vm.archive import Suite
from vm.cache import built_whole, cache_root, locked

SUITE = "bookworm"
WANTED = ("linux-image-amd64", "linux-headers-amd64")
# Of the headers only what belongs to one flavour: Module.symvers and the configuration.
PACKAGES = re.compile(r"linux-(image|headers)-[\d.]+-\d+-amd64$")


def generic_kernel() -> Path:
    """Return a folder with boot/, lib/modules/ and usr/src/ of one kernel.

    Raises:
        VmError: it cannot be downloaded or kept.
    """
    folder = cache_root() / "benchmarks" / "generic-6.1"
    with locked(folder):
        if not folder.exists():
            suite = Suite(SUITE)
            suite.refresh()
            packages = [package for package in suite.closure(*WANTED) if PACKAGES.match(package)]
            with built_whole(folder) as scratch:
                suite.unpack(packages, scratch, leave_out=("usr/share/doc",))
    return folder


def modules_of(folder: Path) -> Path:
    """Return its folder lib/modules/RELEASE."""
    return next((folder / "lib/modules").iterdir())


def symvers_of(folder: Path) -> Path:
    """Return its Module.symvers."""
    return next(folder.glob("usr/src/linux-headers-*/Module.symvers"))
