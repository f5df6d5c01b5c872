"""argparse as this program wants it: a usage error is one line, options are never guessed."""

from __future__ import annotations

import argparse
from typing import NoReturn

from pyinsmod.errors import UsageError

# The help of an option that is taken for the sake of others and does nothing.
HIDDEN = argparse.SUPPRESS


class ArgumentParser(argparse.ArgumentParser):
    """A parser that raises instead of printing its usage and exiting."""

    def __init__(self, prog: str, description: str, usage: str | None = None) -> None:
        super().__init__(prog=prog, description=description, usage=usage, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Turn a usage error into an exception; the text ends with where help is."""
        raise UsageError(f"{message} ({self.prog} -h explains)")
