"""The command line: the only room that prints or exits. One file per command, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

# Command → module below pyinsmod.cli. Each has `run(argv) -> exit status`. Order is the order of the help.
COMMANDS = {
    "load": "load",
    "unload": "unload",
    "check": "check",
    "trace": "trace",
    "validate": "validate",
    "vm": "vm",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `pyinsmod FILE …` is short for `pyinsmod load FILE …`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    name = "load"
    if arguments and arguments[0] in COMMANDS:
        name = arguments.pop(0)
    command = importlib.import_module(f"pyinsmod.cli.{COMMANDS[name]}")
    try:
        return int(command.run(arguments))
    except KeyboardInterrupt:
        print("pyinsmod: interrupted", file=sys.stderr)
        return 130
