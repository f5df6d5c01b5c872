"""`pyinsmod trace`: record the system calls of a command, and on request the kernel's side of them."""

from __future__ import annotations

import argparse
import importlib
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pyinsmod.cli.terminal import EXIT_FAILED, EXIT_USAGE, complain, note
from pyinsmod.cli.trace_output import FORMATS, Output, opened
from pyinsmod.text import printable
from tracer import recorder
from tracer.call_sets import call_set
from tracer.errors import CommandNotStarted, Interrupted, NotAttached, TracerError, UnknownCall
from tracer.injections import fault
from tracer.records import Record, Sink

if TYPE_CHECKING:
    from tracer.kernel_side import KernelSide


def run(argv: Sequence[str]) -> int:
    """Trace a command and return its exit status; 2 when the tracing itself was asked for wrongly."""
    options = _parse(argv)
    if options.kernel_events and os.geteuid() != 0:
        return _complain("--kernel-events needs root: run 'sudo pyinsmod trace --kernel-events …'", EXIT_USAGE)
    try:
        stream = opened(options.output)
    except OSError as error:
        return _complain(f"cannot write '{options.output}': {error.strerror}", EXIT_USAGE)
    output = Output(stream, options.format, options.summary)
    try:
        status = recorder.record(
            options.command,
            _announcing(output.write) if options.pids else output.write,
            attach=options.pids,
            inject=[fault(text) for text in options.inject],
            calls=call_set(options.calls),
            kernel_side=_kernel_tracing(quick=options.quick) if options.kernel_events else None,
            pin=options.pin,
            data_limit=options.data_limit,
            paths=options.format != "strace",
        )
    except CommandNotStarted as error:
        return _complain(str(error), error.status)
    except Interrupted as error:
        return _complain(str(error), 128 + error.signal)
    except UnknownCall as error:
        return _complain(f"{error}; give 'module-loading', 'all' or names with commas between them", EXIT_USAGE)
    except NotAttached as error:
        return _complain(str(error), EXIT_FAILED)
    except TracerError as error:
        return _complain(str(error), EXIT_USAGE)
    finally:
        output.close()
    if output.error is not None:
        where = options.output or "standard error"
        return _complain(f"the trace is cut off: writing {where}: {output.error.strerror}", status or EXIT_FAILED)
    return status


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="pyinsmod trace",
        formatter_class=_formatter,
        usage="pyinsmod trace [options] [-p PID]… [-- COMMAND [ARGUMENT…]]",
        description="Record the system calls of a command, or of processes that run already, and of all their "
        "children. The exit status is the command's own, 128 + signal when one killed it; 0 without a command.",
    )
    parser.add_argument(
        "-p",
        dest="pids",
        metavar="PID",
        type=_process_ids,
        action="extend",
        default=[],
        help="attach to this process and all its threads; again for another. ^C detaches, as does the end of "
        "COMMAND if there is one; the process goes on unharmed",
    )
    parser.add_argument("-o", dest="output", metavar="FILE", help="write the trace to FILE, not to standard error")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="strace",
        help="JSON lines; perfetto: trace events for ui.perfetto.dev and chrome://tracing; "
        "or text like strace's (default)",
    )
    summary = parser.add_mutually_exclusive_group()
    summary.add_argument(
        "-c",
        dest="summary",
        action="store_const",
        const="only",
        help="a table of calls, errors and times, nothing else",
    )
    summary.add_argument("-C", dest="summary", action="store_const", const="too", help="that table after the trace")
    parser.add_argument(
        "--calls",
        metavar="SET",
        default="all",
        help="module-loading (without reads of files below /proc and /sys, which are counted), all (default), "
        "or names with commas between them",
    )
    parser.add_argument(
        "--inject",
        metavar="FAULT",
        action="append",
        default=[],
        help="put a fault into calls, as in strace: SET, then :error=ERRNO or :retval=N (the call never reaches the "
        "kernel), :signal=SIG, :delay_enter=TIME, :delay_exit=TIME, and :when=FIRST[..LAST][+[STEP]]; again for more",
    )
    parser.add_argument("--kernel-events", action="store_true", help="record the kernel's side too (root)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="with --kernel-events: in the system's one trace buffer, without arguments of functions; starts sooner",
    )
    parser.add_argument(
        "-s",
        dest="data_limit",
        metavar="SIZE",
        type=int,
        default=recorder.DATA_LIMIT,
        help="show at most SIZE bytes of a buffer (default %(default)s); length and checksum are always whole",
    )
    parser.add_argument(
        "--pin",
        choices=("auto", "never"),
        default="auto",
        help="auto (default): keep tracer and command on one CPU, which is several times faster",
    )
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help=argparse.SUPPRESS)
    options = parser.parse_args(list(argv))
    if options.command[:1] == ["--"]:
        del options.command[0]
    if not options.command and not options.pids:
        parser.error("no command to trace: put it after '--', or name a process with -p")
    if options.command and not options.command[0]:
        parser.error("the command's name is empty")
    if options.summary == "too" and options.format == "perfetto":
        parser.error("-C writes a table, which a viewer cannot read behind trace events: give -c, or another format")
    return options


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


def _announcing(sink: Sink) -> Sink:
    """Return a sink that says, too, that the trace has begun, and how it is ended."""

    def announce(record: Record) -> None:
        if record["type"] == "header":
            pids = ", ".join(str(pid) for pid in record["attached"])
            note(f"trace: attached to {pids}; {'the end of the command' if record['command'] else '^C'} detaches")
        sink(record)

    return announce


def _kernel_tracing(*, quick: bool) -> KernelSide:
    """Load the kernel's side when it is asked for: it needs more packages than the tracer itself."""
    tracing: KernelSide = importlib.import_module("tracer.kernel_side.tracing").KernelTracing(quick=quick)
    return tracing


def _complain(message: str, status: int) -> int:
    complain(f"trace: {message}")
    return status
