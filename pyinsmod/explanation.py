"""What is said about a refusal: the cause in one line, the two values that differ, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from pyinsmod.finding import Finding


class Explanation(NamedTuple):
    """Why a module was refused. Text of the module or the log stands in it as it is."""

    cause: str
    remedy: str | None = None
    module_has: str | None = None
    kernel_has: str | None = None


def from_finding(finding: Finding) -> Explanation:
    """Return the explanation a finding holds."""
    return Explanation(finding.summary, finding.remedy, finding.module_has, finding.kernel_has)
