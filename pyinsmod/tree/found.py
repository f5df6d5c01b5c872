"""Which files of a tree are to be looked at, and what of it cannot be."""

from __future__ import annotations

import os

from pyinsmod.lean import NamedTuple, Sequence
from pyinsmod.module_image import SUFFIXES

# What depmod(8) says of dependencies.
LISTING = "modules.dep"


class Found(NamedTuple):
    """The module files of a tree by name, what depmod wrote, and the folders that cannot be read with the reason."""

    root: str
    files: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    listings: tuple[str, ...] = ()


def modules_below(root: str) -> Found:
    """Return every file below a folder that is called like a module; links to folders are not followed."""
    files: list[str] = []
    unreadable: list[tuple[str, str]] = []
    listings: list[str] = []
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.name.endswith(SUFFIXES):
                        files.append(entry.path)
                    elif entry.name == LISTING:
                        listings.append(entry.path)
        except OSError as error:
            unreadable.append((folder, error.strerror or "cannot be read"))
    return Found(root, tuple(sorted(files)), tuple(sorted(unreadable)), tuple(sorted(listings)))


def common_root(paths: Sequence[str]) -> str:
    """Return the folder that all of the paths lie in, to be left out where many of them are shown."""
    folders = [os.path.dirname(path) if not os.path.isdir(path) else path for path in paths]  # noqa: PTH120, PTH112
    try:
        return os.path.commonpath(folders)
    except ValueError:
        return ""
