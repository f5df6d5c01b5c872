"""In a disposable machine: a trace that stands by for its command, with everything done that comes before.

The host's half is `laboratory.py`. The machine is frozen while the trace stands by, so that each of its copies begins
with the command; it serves one trace and ends, so nothing is switched off again.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyinsmod.cli.trace import run, traced
from pyinsmod.cli.trace_options import options_of
from tracer.kernel_side.relocated import remember_symbols
from tracer.kernel_side.tracing import KernelTracing
from vm.guest.held import stand_by


def main(argv: Sequence[str]) -> int:
    """Trace the command that comes: `argv` is the name of the module it will likely load, and a trace's options."""
    module, *options = argv
    # Once the whole way: what a fork shares with its parent is copied when it is first written to.
    run([*options, "-o", "/dev/null", "--", "sh", "-c", "insmod --version >/dev/null"])
    remember_symbols()
    chosen = options_of([*options, "--", "true"])
    tracing = KernelTracing(quick=True)
    tracing.arm([module])
    chosen.command = stand_by()
    return traced(chosen, tracing)
