"""The options of `pyinsmod trace`, all of them, with their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from pyinsmod.cli.arguments import ArgumentParser
from pyinsmod.cli.trace_options import FORMATS, PINNING, Options
from pyinsmod.text import printable
from tracer.recorder import DATA_LIMIT


def parsed(argv: Sequence[str]) -> Options:
    """Return the options.

    Raises:
        UsageError: they make no sense.
        SystemExit: help was asked for.
    """
    reader = parser()
    options = reader.parse_args(list(argv), namespace=Options())
    if options.command[:1] == ["--"]:
        del options.command[0]
    if not options.command and not options.pids:
        reader.error("no command to trace: put it after '--', or name a process with -p")
    if not options.calls.strip(" ,"):
        reader.error("--calls names no system call")
    if options.command and not options.command[0]:
        reader.error("the command's name is empty")
    if options.summary == "too" and options.format == "perfetto":
        reader.error("-C writes a table, which a viewer cannot read behind trace events: give -c, or another format")
    return options


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser(
        "pyinsmod trace",
        "Record the system calls of a command, or of processes that run already, and of all their "
        "children. The exit status is the command's own, 128 + signal when one killed it; 0 without a command.",
        "pyinsmod trace [options] [-p PID]… [-- COMMAND [ARGUMENT…]]",
        formatter_class=_formatter,
    )
    made.add_argument(
        "-p",
        dest="pids",
        metavar="PID",
        type=_process_ids,
        action="extend",
        help="attach to this process and all its threads; again for another. ^C detaches, as does the end of "
        "COMMAND if there is one; the process goes on unharmed",
    )
    _add_output(made)
    _add_calls(made)
    made.add_argument(
        "--pin",
        choices=PINNING,
        default="auto",
        help="auto (default): keep tracer and command on one CPU, which is several times faster",
    )
    made.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)
    return made


def _add_output(made: ArgumentParser) -> None:
    """Add what says where the trace goes, and in which form."""
    add = made.add_argument
    add("-o", dest="output", metavar="FILE", help="write the trace to FILE, not to standard error")
    add(
        "--format",
        choices=FORMATS,
        default="strace",
        help="JSON lines; perfetto: trace events for ui.perfetto.dev and chrome://tracing; "
        "or text like strace's (default)",
    )
    add(
        "-s",
        dest="data_limit",
        metavar="SIZE",
        type=_size,
        default=DATA_LIMIT,
        help="show at most SIZE bytes of a buffer (default %(default)s); length and checksum are always whole",
    )
    table = made.add_mutually_exclusive_group().add_argument
    only = "a table of calls, errors and times, nothing else"
    table("-c", dest="summary", action="store_const", const="only", help=only)
    table("-C", dest="summary", action="store_const", const="too", help="that table after the trace")


def _add_calls(made: ArgumentParser) -> None:
    """Add what says which calls are recorded, what happens to them, and what else is recorded."""
    add = made.add_argument
    add(
        "--calls",
        metavar="SET",
        default="all",
        help="module-loading (without reads of files below /proc and /sys, which are counted), all (default), "
        "or names with commas between them",
    )
    add(
        "--inject",
        metavar="FAULT",
        action="append",
        help="put a fault into calls, as in strace: SET, then :error=ERRNO or :retval=N (the call never reaches the "
        "kernel), :signal=SIG, :delay_enter=TIME, :delay_exit=TIME, and :when=FIRST[..LAST][+[STEP]]; again for more",
    )
    add("--kernel-events", action="store_true", help="record the kernel's side too (root)")
    add(
        "--quick",
        action="store_true",
        help="with --kernel-events: in the system's one trace buffer, without arguments of functions; starts sooner",
    )


_HELP_WIDTH = 100


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Return argparse's own, told the width: it asks a module for it that takes as long to import as all else here."""
    return argparse.HelpFormatter(prog, width=_HELP_WIDTH)


def _process_ids(text: str) -> list[int]:
    """Return the process ids of one -p, several with commas or blanks between them, as strace takes them."""
    words = text.replace(",", " ").split()
    if not words or not all(word.isascii() and word.isdigit() and int(word) > 0 for word in words):
        raise argparse.ArgumentTypeError(f"not a process id: '{printable(text)}'")
    return [int(word) for word in words]


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"not a number of bytes: '{printable(text)}'")
    return int(text)
