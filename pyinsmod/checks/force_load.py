"""What becomes of a module that lacks what the kernel wants to compare? `try_to_force_load` (kernel/module/main.c)."""

from __future__ import annotations

from pyinsmod.finding import Finding, Severity
from pyinsmod.kernel_facts.facts import KernelFacts
from pyinsmod.versions import may_force_load

SEVERITIES: dict[bool | None, Severity] = {True: "taints", False: "refuses", None: "cannot-tell"}


def to_force(finding: Finding, facts: KernelFacts, goes_on: str = "loads it all the same") -> Finding:
    """Return the finding with the kernel's answer: MODULE_FORCE_LOAD goes on and is tainted, others refuse silently.

    Args:
        finding: says what is missing; its `log` is the line of a kernel that goes on.
        facts: the kernel.
        goes_on: what a kernel does that goes on.
    """
    allowed = may_force_load(facts)
    answer = {
        True: f"the kernel {goes_on}, and is tainted (F)",
        False: "the kernel was built without CONFIG_MODULE_FORCE_LOAD and refuses it",
        None: f"whether the kernel {goes_on} is unknown: {facts.config.source}",
    }[allowed]
    return finding._replace(
        severity=SEVERITIES[allowed],
        summary=f"{finding.summary}: {answer}",
        errno=None if allowed else "ENOEXEC",
        log=finding.log if allowed else None,
    )
