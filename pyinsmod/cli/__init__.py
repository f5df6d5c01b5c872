"""The command line: the only room that prints or exits. One file per command, imported when asked for."""

from __future__ import annotations

import sys

from pyinsmod import __version__
from pyinsmod.errors import PyinsmodError, UsageError
from pyinsmod.lean import TYPE_CHECKING, Sequence, os

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

# Ten thousands of objects come with the modules that a check imports, and none of them goes: to look for garbage among
# them after every 700 of them is a twentieth of the check.
OBJECTS_UNTIL_COLLECTION = 50_000

HELP = """\
usage: pyinsmod [options] FILE [NAME=VALUE…]     load a module, like insmod, and say why if it is refused
       pyinsmod COMMAND …                        pyinsmod COMMAND -h explains a command

commands: {commands}

pyinsmod {version}; pyinsmod load -h lists the options
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status; `pyinsmod FILE …` is short for `pyinsmod load FILE …`.

    What fails is one line on standard error. `-h` raises SystemExit, as argparse does.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None and _asked_to_complete():
        __import__("pyinsmod.cli.completion", fromlist=("answer",)).answer()
    as_insmod = argv is None and sys.argv[0].rpartition("/")[2] == "insmod"
    try:
        status = _run_command("load", arguments) if as_insmod else _run(arguments)
        print(end="", flush=True)
    except PyinsmodError as error:
        return _complain(str(error), 2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:  # whoever read our output has gone
        return 1
    except OSError as failure:
        return _complain(f"{failure.filename or 'cannot write the output'}: {failure.strerror}", 1)
    except KeyboardInterrupt:
        return _complain("interrupted", 130)
    return status


def _asked_to_complete() -> bool:
    """Tell whether a shell wants to know what the next word may be; for `os.environ` all of `os` is imported."""
    from posix import environ

    return b"_ARGCOMPLETE" in environ


def program() -> NoReturn:
    """Be the program: as `main`, and then leave without taking the interpreter apart, a tenth of what a check costs.

    Commands that have something to put in order at the end have imported `threading` or `atexit`: they end as usual.
    """
    from gc import set_threshold

    from pyinsmod.cli.own_modules import import_quickly

    set_threshold(OBJECTS_UNTIL_COLLECTION)
    import_quickly()
    _prepare_output()
    status = main()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # as `main` has said; the interpreter must not try again at exit
        status = status or 1
        os.dup2(os.open("/dev/null", os.O_WRONLY), sys.stdout.fileno())
    if "threading" in sys.modules or "atexit" in sys.modules:
        sys.exit(status)
    os._exit(status)  # noqa: SLF001 - its name is that of the system call


def _prepare_output() -> None:
    """See to it that there is something to print to, and that every character of ours can be printed there.

    Where a program is started with standard output closed, the next file it opens gets that number, and its results.
    """
    from _io import TextIOWrapper

    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        while (number := os.open("/dev/null", os.O_RDWR)) <= 2:  # the lowest numbers that are free
            pass
        os.close(number)
        sys.stdout = sys.stdout or open(1, "w", encoding="utf-8")  # noqa: SIM115 - open as long as the program runs
        sys.stderr = sys.stderr or open(2, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout.encoding != "utf-8" and isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _run(arguments: list[str]) -> int:
    if arguments in (["-V"], ["--version"]):
        print(f"pyinsmod {__version__}")
        return 0
    if arguments in (["-h"], ["--help"]):
        print(HELP.format(commands=", ".join(COMMANDS), version=__version__), end="")
        return 0
    if arguments and arguments[0] in COMMANDS:
        return _run_command(arguments[0], arguments[1:])
    return _run_command("load", arguments)


def _run_command(name: str, arguments: list[str]) -> int:
    try:
        command = __import__(f"pyinsmod.cli.{COMMANDS[name]}", fromlist=("run",))  # importlib is slower to import
        return int(command.run(arguments))
    except ModuleNotFoundError as missing:
        remedy = __import__("pyinsmod.cli.packages", fromlist=("remedy",)).remedy(missing)
        if remedy is None:
            raise
        raise PyinsmodError(f"{name} {remedy}") from missing


def _complain(message: str, status: int) -> int:
    __import__("pyinsmod.cli.terminal", fromlist=("complain",)).complain(message)
    return status
