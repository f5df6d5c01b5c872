"""Manual pages as documents for `validate`: `man:init_module(2)`, out of the package that carries the page.

The package comes from Debian's archive (bookworm, or the suite behind an `@`: `man:insmod(8)@trixie`), is unpacked
below the cache folder, and nothing is installed. The page's claims are the project's own.
"""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import NamedTuple

from tracer.errors import MalformedClaims
from tracer.manual.page import page_text
from vm.archive import Suite
from vm.cache import built_whole, cache_root, locked, storage_errors_named, write_whole

PREFIX = "man:"
SUITE = "bookworm"
PACKAGES = {"2": "manpages-dev", "5": "kmod", "8": "kmod"}  # section → package
_NAME = re.compile(r"man:([\w.-]+)\((\d)\)(?:@(\w+))?$")
_CLAIMS = ".claims.toml"
_REPOSITORY = Path(__file__).parents[2]


class Page(NamedTuple):
    """A page as a document, and the claims about it."""

    document: Path
    claims: Path


def page(name: str) -> Page:
    """Return a manual page by `man:NAME(SECTION)` or `man:NAME(SECTION)@SUITE`, as a Markdown file.

    Raises:
        MalformedClaims: the name is none, or the package has no such page.
        ArchiveUnreachable: the package cannot be had.
    """
    found = _NAME.match(name)
    if not found or found[2] not in PACKAGES:
        wanted = f"sections {', '.join(PACKAGES)}"
        raise MalformedClaims(
            f"'{name}': a manual page is named man:NAME(SECTION) or man:NAME(SECTION)@SUITE, {wanted}"
        )
    title, section, suite = found[1], found[2], found[3] or SUITE
    folder = _unpacked(suite, PACKAGES[section])
    try:
        text = page_text(_source(folder, f"man{section}/{title}.{section}"))
    except OSError as failure:
        raise MalformedClaims(f"{PACKAGES[section]} of {suite} has no page {title}({section})") from failure
    document = folder.parent / f"{title}.{section}.md"
    with storage_errors_named():
        write_whole(document, text.encode())
    return Page(document, _claims_folder() / f"{title}.{section}{_CLAIMS}")


def no_claims(claims: Path) -> str:
    """Say that there are none in this file, and of which pages there are."""
    pages = sorted(path.name.removesuffix(_CLAIMS).rpartition(".") for path in _claims_folder().glob(f"*{_CLAIMS}"))
    named = ", ".join(f"man:{name}({section})" for name, _, section in pages)
    name, _, section = claims.name.removesuffix(_CLAIMS).rpartition(".")
    return f"there are no claims about {name}({section}), only about {named}; name your own with --claims"


def _claims_folder() -> Path:
    in_repository = _REPOSITORY / "docs" / "claims"
    return in_repository if in_repository.exists() else Path(__file__).parents[1] / "documents" / "claims"


def _source(folder: Path, name: str) -> str:
    with gzip.open(folder / "usr/share/man" / f"{name}.gz", "rt", encoding="utf-8") as file:
        source = file.read()
    link = re.match(r"\.so (\S+)", source)
    return _source(folder, link[1]) if link else source


def _unpacked(suite_name: str, package: str) -> Path:
    """Return the folder a package's manual pages are unpacked in; its parent is for what is made of them."""
    place = cache_root() / "manual" / suite_name / package
    with storage_errors_named(), locked(place):
        if not place.exists():
            suite = Suite(suite_name)
            suite.refresh()
            with built_whole(place) as scratch:
                leave_out = ("usr/lib", "lib", "bin", "sbin", "etc")
                (deb,) = suite.unpack([package], scratch / "root", leave_out=leave_out)
                (scratch / "version").write_text(deb)
    return place / "root"
