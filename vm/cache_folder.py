"""Where the cache is, as text: apart from `vm.cache`, which takes longer to import."""

from __future__ import annotations

import os

CACHE_VARIABLE = "PYINSMOD_CACHE"


def cache_folder() -> str:
    """Return the cache folder: `$PYINSMOD_CACHE`, else `pyinsmod` below the user's cache folder."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return os.path.join(os.getcwd(), os.path.expanduser(chosen))  # noqa: PTH109, PTH111, PTH118
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111
    return f"{base}/pyinsmod"
