"""What every command shares: exit statuses, and how it speaks on stderr."""

from __future__ import annotations

import sys

from pyinsmod.lean import suppress
from pyinsmod.text import printable

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_LOST = 3


def complain(message: str) -> None:
    """Say in one line why something did not work; names and reasons in it are data, so it is escaped.

    Where nothing can be written to standard error, the exit status has to do.
    """
    with suppress(OSError):
        print(f"pyinsmod: {printable(message)}", file=sys.stderr, flush=True)


def note(message: str) -> None:
    """Say what is going on; it matters to people only."""
    with suppress(OSError):
        print(f"pyinsmod: {message}", file=sys.stderr, flush=True)
