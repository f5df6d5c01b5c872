"""What an option that can name several things names: `--kernel 6.1,6.12` and `--kernel 6.1 --kernel 6.12` are one."""

from __future__ import annotations

import os

from pyinsmod.lean import Callable, Iterable

ALL = "all"
SEVERAL = "several at once with commas, or repeated"


def spelt_out(chosen: Iterable[str], every: Callable[[], Iterable[str]] | None = None) -> list[str]:
    """Return names once each, in the order they were named.

    Args:
        chosen: what the option was given each time: one name, or several with commas between them. A path of something
            that is there is one name, whatever is in it.
        every: what `all` stands for; without it that is a name like others.
    """
    words = [word for some in chosen for word in ((some,) if _is_path(some) else some.split(","))]
    every = every or (lambda: (ALL,))
    return list(dict.fromkeys(name for word in words for name in (every() if word == ALL else (word,))))


def _is_path(word: str) -> bool:
    return "," in word and os.path.lexists(word)
