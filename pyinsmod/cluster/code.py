"""Whether a worker has the same code: another release, or one release with a change, may judge otherwise."""

from __future__ import annotations

import os
from functools import cache
from hashlib import blake2b

import pyinsmod
from pyinsmod import __version__

# What jobs run, all of it beside each other.
_PACKAGES = ("pyinsmod", "tracer", "vm")
_DIGITS = 12


class OtherCodeError(Exception):
    """A worker has other sources than who sends it work."""


@cache
def own_code() -> str:
    """Return the release and a word for the contents of all sources, wherever they stand."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(pyinsmod.__file__)))  # noqa: PTH100, PTH120 - see paths.py
    digest = blake2b(digest_size=_DIGITS // 2)
    for package in _PACKAGES:
        for folder, folders, names in os.walk(f"{root}/{package}"):
            folders.sort()
            for name in sorted(names):
                if name.endswith(".py"):
                    with open(f"{folder}/{name}", "rb") as file:  # noqa: PTH123 - see paths.py
                        content = file.read()
                    digest.update(f"{folder[len(root) :]}/{name} {len(content)}\n".encode() + content)
    return f"{__version__} ({digest.hexdigest()})"


def insist_on_code(sender: str) -> None:
    """Raise OtherCodeError on a worker whose code is not the sender's."""
    if sender != own_code():
        raise OtherCodeError(f"pyinsmod {own_code()} on a worker, {sender} here")
