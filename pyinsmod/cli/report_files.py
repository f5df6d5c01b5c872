"""Files that reports go into: whether they can be written is said before anything is done that takes long."""

from __future__ import annotations

import os
from pathlib import Path


def why_unwritable(target: Path) -> str | None:
    """Return why no report can be written there; its folders are made, as far as they are not there."""
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    if target.is_dir() or not folder.is_dir():
        return "a folder" if target.is_dir() else f"{folder} is no folder"
    if not os.access(target if target.exists() else folder, os.W_OK):
        return f"{target if target.exists() else folder} may not be written"
    return None
