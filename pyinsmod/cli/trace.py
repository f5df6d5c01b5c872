"""`pyinsmod trace`: record the system calls of a command, and on request the kernel's side of them."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING

from pyinsmod.cli.terminal import EXIT_FAILED, EXIT_USAGE, complain
from pyinsmod.text import printable
from tracer import recorder, strace_text
from tracer.call_sets import call_set
from tracer.errors import CommandNotStarted, Interrupted, TracerError, UnknownCall
from tracer.records import Record, Writer

if TYPE_CHECKING:
    from tracer.kernel_side import KernelSide


def run(argv: Sequence[str]) -> int:
    """Trace a command and return its exit status; 2 when the tracing itself was asked for wrongly."""
    options = _parse(argv)
    if options.kernel_events and os.geteuid() != 0:
        return _complain("--kernel-events needs root: run 'sudo pyinsmod trace --kernel-events …'", EXIT_USAGE)
    try:
        stream = _open(options.output)
    except OSError as error:
        return _complain(f"cannot write '{options.output}': {error.strerror}", EXIT_USAGE)
    output = _Output(stream, options.format)
    try:
        status = recorder.record(
            options.command,
            output.write,
            calls=call_set(options.calls),
            kernel_side=_kernel_tracing() if options.kernel_events else None,
            pin=options.pin,
            data_limit=options.data_limit,
        )
    except CommandNotStarted as error:
        return _complain(str(error), error.status)
    except Interrupted as error:
        return _complain(str(error), 128 + error.signal)
    except UnknownCall as error:
        return _complain(f"{error}; give 'module-loading', 'all' or names with commas between them", EXIT_USAGE)
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
        usage="pyinsmod trace [options] -- COMMAND [ARGUMENT…]",
        description="Record the system calls of a command and of all its children. "
        "The exit status is the command's own, 128 + signal when one killed it.",
    )
    parser.add_argument("-o", dest="output", metavar="FILE", help="write the trace to FILE, not to standard error")
    parser.add_argument(
        "--format",
        choices=("json", "strace"),
        default="strace",
        help="JSON lines, or text like strace's (default)",
    )
    parser.add_argument(
        "--calls",
        metavar="SET",
        default="all",
        help="module-loading (without reads of files below /proc and /sys, which are counted), all (default), "
        "or names with commas between them",
    )
    parser.add_argument("--kernel-events", action="store_true", help="record the kernel's side too (root)")
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
    if not options.command:
        parser.error("no command to trace: put it after '--'")
    if not options.command[0]:
        parser.error("the command's name is empty")
    return options


class _Output:
    """Writes records in one format; after a failure it stays silent, so that the command goes on unharmed."""

    def __init__(self, stream: IO[str], format_name: str) -> None:
        self.error: OSError | None = None
        self._stream = stream
        self._write: Callable[[Record], None] = Writer(stream).write if format_name == "json" else self._text

    def write(self, record: Record) -> None:
        """Write one record."""
        if self.error is None:
            try:
                self._write(record)
            except OSError as error:
                self.error = error

    def close(self) -> None:
        """Flush; a disk that is full often says so only now."""
        try:
            self._stream.flush()
            if self._stream is not sys.stderr:
                self._stream.close()
        except OSError as error:
            self.error = self.error or error

    def _text(self, record: Record) -> None:
        text = strace_text.line(record)
        if text is None and record.get("left_out"):
            text = f"      # left out, of files below /proc and /sys: {_counts(record['left_out'])}"
        elif text is None and record["type"] not in {"header", "exec", "end"}:
            text = f"      # {_comment(record)}"
        if text is not None:
            self._stream.write(text + "\n")


def _counts(numbers: dict[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items())


def _comment(record: Record) -> str:
    details = " ".join(f"{key}={value}" for key, value in record.items() if key not in {"type", "t"})
    return printable(f"{record['type']} {details}")


def _open(path: str | None) -> IO[str]:
    if path is None:
        return sys.stderr
    return open(path, "w", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123  (closed by _Output)


def _kernel_tracing() -> KernelSide:
    """Load the kernel's side when it is asked for: it needs more packages than the tracer itself."""
    tracing: KernelSide = importlib.import_module("tracer.kernel_side.tracing").KernelTracing()
    return tracing


def _complain(message: str, status: int) -> int:
    complain(f"trace: {message}")
    return status
