"""All commands' parsers in one tree: for completions and manual pages, which are made from it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module

from pyinsmod.cli import COMMANDS

# Command → module below pyinsmod.cli whose `parser()` reads its command line; the command's own unless named here.
ELSEWHERE = {"check": "check_arguments", "trace": "trace_arguments"}
DESCRIPTION = (
    "Load Linux kernel modules and say why when the kernel refuses; predict that; try it in disposable machines; "
    "trace it; hold documents about it against real kernels."
)


def parser_of(command: str) -> argparse.ArgumentParser:
    """Return one command's parser."""
    made: argparse.ArgumentParser = import_module(f"pyinsmod.cli.{ELSEWHERE.get(command, COMMANDS[command])}").parser()
    return made


def program_parser() -> argparse.ArgumentParser:
    """Return a parser that knows every command. `pyinsmod FILE` is short for `pyinsmod load FILE`."""
    program = argparse.ArgumentParser("pyinsmod", description=DESCRIPTION)
    program.add_argument("-V", "--version", action="store_true", help="print the version")
    commands = program.add_subparsers(metavar="COMMAND")
    for name in COMMANDS:
        own = parser_of(name)
        # Takes over what `own` has, its -h too.
        commands.add_parser(
            name, parents=[own], add_help=False, prog=own.prog, usage=own.usage, description=own.description,
            help=first_sentence(own.description or ""),
        )  # fmt: skip
    return program


def first_sentence(text: str) -> str:
    """Return a description's first sentence without its full stop."""
    return text.partition(". ")[0].rstrip(".")


def actions_of(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield what a parser and those of its sub-commands take."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to look at what was added
        yield action
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for sub in action.choices.values():
                yield from actions_of(sub)
