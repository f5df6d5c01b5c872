"""Seeds: small real modules, whole, and each with one of the faults that the experiments can put in."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Iterator
from pathlib import Path

from tracer.experiments.errors import ExperimentError
from tracer.experiments.faults import FAULTS
from tracer.experiments.module_spec import ModuleSpec, build

SMALL = 40_000
MODULES = 12


def seeds(tree: Path) -> Iterator[bytes]:
    """Yield the seeds for the kernel whose package was unpacked into `tree`, smallest modules first."""
    sizes = sorted((path.stat().st_size, path) for path in tree.glob("**/lib/modules/*/kernel/**/*.ko"))
    small = [path.read_bytes() for size, path in sizes[:MODULES] if size < SMALL]
    yield from small
    yield from (gzip.compress(small[0]), lzma.compress(small[0]))
    yield build(ModuleSpec(), tree)
    for name, fault in FAULTS.items():
        if fault.argument and not fault.argument.startswith("["):
            continue
        try:
            yield build(ModuleSpec(faults=(name,)), tree)
        except ExperimentError:
            continue
