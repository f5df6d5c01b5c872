"""`pyinsmod completion SHELL`: print what makes a shell complete pyinsmod's command lines.

`eval "$(pyinsmod completion bash)"`; in fish `pyinsmod completion fish | source`. The shell then asks pyinsmod itself,
by environment variables (argcomplete's protocol), so that what it offers is what the parsers take.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import Any

from pyinsmod.cli.arguments import ArgumentParser
from pyinsmod.cli.parsers import actions_of, program_parser

SHELLS = ("bash", "zsh", "fish")
FILES = frozenset(("FILE", "PATH", "DOC", "FILE[:PATH]", "PATH[:FILE]"))


def run(argv: Sequence[str]) -> int:
    """Print the shell's part; 0, or 2 for a shell that is not known."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["pyinsmod"], shell=parser().parse_args(argv).shell))
    return 0


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser("pyinsmod completion", "Print what makes a shell complete pyinsmod's commands and options.")
    made.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    return made


def answer() -> None:
    """Answer a shell that asks how a command line goes on, and exit; return when none asked."""
    import argcomplete

    program = program_parser()
    for action in actions_of(program):
        completer = completer_of(action)
        if completer is not None:
            action.completer = completer  # type: ignore[attr-defined]
    argcomplete.autocomplete(program, always_complete_options="long")


def completer_of(action: argparse.Action) -> Callable[..., Any] | None:
    """Return what offers an argument's values: files, kernels of the store, loaders; None for argparse's choices."""
    from argcomplete.completers import ChoicesCompleter, FilesCompleter

    if action.choices is not None:
        return None
    if action.dest == "kernel" or action.metavar in ("K", "OLD"):
        from vm.catalogue import KERNELS

        return ChoicesCompleter(dict.fromkeys((*KERNELS, "all"), ""))
    if action.dest == "loader":
        from tracer.experiments.loaders import LOADERS

        return ChoicesCompleter(dict.fromkeys((*LOADERS, "all"), ""))
    return FilesCompleter() if action.metavar in FILES else ChoicesCompleter({})
