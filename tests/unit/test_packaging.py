"""What packages are made of says the same as the sources."""

from __future__ import annotations

import re
from pathlib import Path

from pyinsmod import __version__
from pyinsmod.cli.packages import PACKAGES
from vm.catalogue import USERLAND_PACKAGES

ROOT = Path(__file__).parents[2]


def test_debian_s_changelog_ends_with_this_version() -> None:
    first = (ROOT / "debian/changelog").read_text().partition("\n")[0]
    assert first.startswith(f"pyinsmod ({__version__})")


def test_what_debian_lacks_is_left_out_and_named() -> None:
    lacking = [package for package, debian in PACKAGES.values() if debian is None]
    assert (ROOT / "debian/py3dist-overrides").read_text().split() == lacking
    assert all(package in (ROOT / "debian/README.Debian").read_text() for package in lacking)


def test_a_machine_of_vagrant_s_has_what_guests_have() -> None:
    """Both read one list: provision with cat, the catalogue when it is imported."""
    provision = (ROOT / "vm/guest/provision").read_text()
    assert re.search(r'\$\(cat "\$tree/vm/guest/packages"\)', provision)
    assert {"kmod", "strace", "busybox-static"} <= set(USERLAND_PACKAGES)
