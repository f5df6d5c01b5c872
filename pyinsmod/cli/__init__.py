"""The command line: the only room that prints or exits. One file per command, imported when asked for."""

from __future__ import annotations

import os
import sys

from pyinsmod import __version__
from pyinsmod.errors import PyinsmodError, UsageError
from pyinsmod.lean import TYPE_CHECKING, Sequence
from pyinsmod.text import printable

if TYPE_CHECKING:
    from typing import NoReturn

# Command → module below pyinsmod.cli. Each has `run(argv) -> exit status`. Order is the order of the help.
COMMANDS = {
    "load": "load",
    "unload": "unload",
    "check": "check",
    "info": "info",
    "try": "try_module",
    "trace": "trace",
    "validate": "validate",
    "watch": "watch",
    "vm": "vm",
    "completion": "completion",
}

HELP = """\
usage: pyinsmod [options] FILE [NAME=VALUE…]     load a module, like insmod, and say why if it is refused
       pyinsmod COMMAND …                        pyinsmod COMMAND -h explains a command

commands: {commands}

pyinsmod {version}; pyinsmod load -h lists the options
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `pyinsmod FILE …` is short for `pyinsmod load FILE …`."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None and "_ARGCOMPLETE" in os.environ:
        __import__("pyinsmod.cli.completion", fromlist=("answer",)).answer()
    if argv is None and sys.argv[0].rpartition("/")[2] == "insmod":
        return _run("load", arguments)
    if arguments in (["-V"], ["--version"]):
        print(f"pyinsmod {__version__}")
        return 0
    if arguments in (["-h"], ["--help"]):
        print(HELP.format(commands=", ".join(COMMANDS), version=__version__), end="")
        return 0
    if arguments and arguments[0] in COMMANDS:
        return _run(arguments[0], arguments[1:])
    return _run("load", arguments)


def program() -> NoReturn:
    """Be the program: as `main`, and then leave without taking the interpreter apart, a tenth of what a check costs.

    Commands with more to put in order bring `threading` or `atexit` along, and end in the ordinary way.
    """
    status = main()
    if "threading" in sys.modules or "atexit" in sys.modules:
        sys.exit(status)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:
        status = status or 1
    os._exit(status)


def _run(name: str, arguments: list[str]) -> int:
    try:
        command = __import__(f"pyinsmod.cli.{COMMANDS[name]}", fromlist=("run",))  # importlib is slower to import
        return int(command.run(arguments))
    except UsageError as error:
        print(f"pyinsmod: {printable(str(error))}", file=sys.stderr)
        return 2
    except PyinsmodError as error:
        print(f"pyinsmod: {printable(str(error))}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as missing:
        remedy = __import__("pyinsmod.cli.packages", fromlist=("remedy",)).remedy(missing)
        if remedy is None:
            raise
        print(f"pyinsmod: {name} {remedy}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not try to flush more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("pyinsmod: interrupted", file=sys.stderr)
        return 130
