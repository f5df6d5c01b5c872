"""argparse as this program wants it: a usage error is one line, options are never guessed."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NoReturn

from pyinsmod.errors import UsageError
from pyinsmod.text import printable

# The help of an option that is taken for the sake of others and does nothing.
HIDDEN = argparse.SUPPRESS

Formatter = Callable[[str], argparse.HelpFormatter]


class ArgumentParser(argparse.ArgumentParser):
    """A parser that raises instead of printing its usage and exiting."""

    def __init__(
        self,
        prog: str,
        description: str | None = None,
        usage: str | None = None,
        formatter_class: Formatter = argparse.HelpFormatter,
    ) -> None:
        super().__init__(
            prog=prog,
            description=description,
            usage=usage,
            formatter_class=formatter_class,  # type: ignore[arg-type]  # argparse only ever calls it
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Turn a usage error into an exception; the text ends with where help is."""
        raise UsageError(f"{message} ({self.prog} -h explains)")


def positive_whole(text: str) -> int:
    """Return a whole number above 0: a `type=` of argparse."""
    return int(_positive(text, int, "a whole number"))


def positive_seconds(text: str) -> float:
    """Return a number of seconds above 0, and not endless: a `type=` of argparse."""
    return _positive(text, float, "a number of seconds")


def _positive(text: str, kind: type[int | float], what: str) -> float:
    try:
        number = kind(text)
    except ValueError:
        number = 0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{printable(text)}' is not {what} above 0")
    return number
