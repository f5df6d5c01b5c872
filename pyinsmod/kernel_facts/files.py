"""Small files of /proc and /sys as facts: what cannot be read is unknown, and the reason is kept."""

from __future__ import annotations

import os

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, unknown


def read(path: str) -> Fact[bytes]:
    """Return all that stands in a file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - see paths.py
            return Fact(file.read(), path)
    except OSError as error:
        return unknown(f"{path}: {error.strerror}")


def read_line(path: str) -> Fact[str]:
    """Return the text of a file that holds one line, without the spaces around it."""
    raw = read(path)
    return Fact(None if raw.value is None else text(raw.value).strip(), raw.source)


def names_in(folder: str) -> Fact[frozenset[str]]:
    """Return the names in a folder."""
    try:
        return Fact(frozenset(os.listdir(folder)), folder)  # noqa: PTH208 - see paths.py
    except OSError as error:
        return unknown(f"{folder}: {error.strerror}")


def is_folder(path: str) -> bool:
    """Tell whether there is a folder."""
    return os.path.isdir(path)  # noqa: PTH112 - see paths.py
