"""The options of `pyinsmod trace`: what they are, and how the usual ones are read without argparse.

Importing argparse and telling it about every option takes longer than all else before the command starts.
"""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, Sequence
from tracer.recorder import DATA_LIMIT

if TYPE_CHECKING:
    from typing import Literal

    from tracer.recorder import Pinning

    Summarised = Literal["only", "too"]

FORMATS = ("json", "strace", "perfetto")
PINNING = ("auto", "never")


class Options:
    """What holds when nothing else is said."""

    output: str | None = None
    format = "strace"
    summary: Summarised | None = None
    calls = "all"
    kernel_events = False
    quick = False
    data_limit = DATA_LIMIT
    pin: Pinning = "auto"

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.inject: list[str] = []
        self.command: list[str] = []


#: Options with a value that need no checking, or one of a few: their attribute, and those few.
_USUAL: dict[str, tuple[str, tuple[str, ...]]] = {
    "-o": ("output", ()),
    "--calls": ("calls", ()),
    "--format": ("format", FORMATS),
    "--pin": ("pin", PINNING),
}


def options_of(argv: Sequence[str]) -> Options:
    """Return the options; raises what `trace_arguments.parsed` does."""
    options = usual(argv)
    if options is None:
        from pyinsmod.cli.trace_arguments import parsed

        options = parsed(argv)
    return options


def usual(argv: Sequence[str]) -> Options | None:
    """Return the options when they are of the usual ones, each with its value behind it, then `--` and a command.

    None for anything else: argparse knows what to make of it, or what to say about it.
    """
    options = Options()
    at = 0
    while at + 1 < len(argv) and argv[at] in _USUAL:
        attribute, choices = _USUAL[argv[at]]
        value = argv[at + 1]
        no_calls = attribute == "calls" and not value.strip(" ,")
        if value.startswith("-") or no_calls or (choices and value not in choices):
            return None
        setattr(options, attribute, value)
        at += 2
    options.command = list(argv[at + 1 :])
    return options if argv[at : at + 1] == ["--"] and options.command and options.command[0] else None
