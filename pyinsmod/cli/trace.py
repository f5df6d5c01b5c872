"""`pyinsmod trace`: record the system calls of a command, and on request the kernel's side of them."""

from __future__ import annotations

import os

from pyinsmod.cli.terminal import EXIT_FAILED, EXIT_USAGE, complain, note
from pyinsmod.cli.trace_options import Options, options_of
from pyinsmod.cli.trace_output import Output, opened
from pyinsmod.lean import TYPE_CHECKING, Sequence
from tracer import recorder
from tracer.call_sets import call_set
from tracer.errors import CommandNotStarted, Interrupted, NotAttached, TracerError, UnknownCall
from tracer.record_types import Record, Sink

if TYPE_CHECKING:
    from tracer.injections import Fault
    from tracer.kernel_side import KernelSide


def run(argv: Sequence[str]) -> int:
    """Trace a command and return its exit status; 2 when the tracing itself was asked for wrongly."""
    options = options_of(argv)
    if options.kernel_events and os.geteuid() != 0:
        return _complain("--kernel-events needs root: run 'sudo pyinsmod trace --kernel-events …'", EXIT_USAGE)
    return traced(options)


def traced(options: Options, armed: KernelSide | None = None) -> int:
    """Trace as the options say, with a kernel side that is `armed` already or with a new one."""
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
            inject=_faults(options.inject),
            calls=call_set(options.calls),
            kernel_side=armed or (_kernel_tracing(quick=options.quick) if options.kernel_events else None),
            pin=options.pin,
            data_limit=options.data_limit,
            text_sink=output.text_sink,
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


def _announcing(sink: Sink) -> Sink:
    """Return a sink that says, too, that the trace has begun, and how it is ended."""

    def announce(record: Record) -> None:
        if record["type"] == "header":
            pids = ", ".join(str(pid) for pid in record["attached"])
            note(f"trace: attached to {pids}; {'the end of the command' if record['command'] else '^C'} detaches")
        sink(record)

    return announce


def _faults(texts: Sequence[str]) -> list[Fault]:
    if not texts:
        return []
    from tracer.injections import fault

    return [fault(text) for text in texts]


def _kernel_tracing(*, quick: bool) -> KernelSide:
    """Load the kernel's side when it is asked for: it needs more packages than the tracer itself."""
    module = __import__("tracer.kernel_side.tracing", fromlist=("KernelTracing",))
    tracing: KernelSide = module.KernelTracing(quick=quick)
    return tracing


def _complain(message: str, status: int) -> int:
    complain(f"trace: {message}")
    return status
