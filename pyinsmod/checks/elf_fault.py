"""One fault of the ELF structures, before it becomes a finding."""

from __future__ import annotations

from pyinsmod.finding import Severity
from pyinsmod.lean import NamedTuple


class Fault(NamedTuple):
    """What is wrong, the two values, the line newer kernels write, and what to do."""

    summary: str
    module_has: str
    kernel_has: str
    log: str | None = None
    remedy: str | None = None
    severity: Severity = "refuses"
