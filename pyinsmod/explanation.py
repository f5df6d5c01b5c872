"""What is said about a refusal: the cause in one line, the two values that differ, and what to do."""

from __future__ import annotations

from pyinsmod.finding import Finding
from pyinsmod.lean import NamedTuple

# What one has to know to understand a thing that the cause names and does not explain by itself.
NOTES = {
    "module_layout": (
        "module_layout stands for the structures that every module shares with the kernel (struct module among "
        "them); where its CRC differs, the kernel was configured or patched otherwise, even if the release is the same"
    ),
}
# A cause in which this stands explains it by itself.
EXPLAINED = "struct module"

# Checks whose two values are version magics, wholly or with more behind them.
ABOUT_VERMAGIC = ("vermagic", "modversions")


class Explanation(NamedTuple):
    """Why a module was refused. Text of the module or the log stands in it as it is.

    `note` is what one has to know to understand the cause. `alike` says that both values are of one kind, such as
    two version magics, so that every difference between them is worth a mark. `release_counts` is False where the
    first words of the values (the releases in two version magics) may differ and are not the reason.
    """

    cause: str
    remedy: str | None = None
    module_has: str | None = None
    kernel_has: str | None = None
    note: str | None = None
    alike: bool = False
    release_counts: bool = True


def from_finding(finding: Finding) -> Explanation:
    """Return the explanation a finding holds."""
    crash = finding.severity == "crashes" and "would crash" not in finding.summary
    return Explanation(
        f"would crash the kernel: {finding.summary}" if crash else finding.summary,
        finding.remedy,
        finding.module_has,
        finding.kernel_has,
        note_on(finding.summary),
        alike=finding.check in ABOUT_VERMAGIC,
        release_counts=finding.check != "vermagic" or "for release" in finding.summary,
    )


def note_on(cause: str) -> str | None:
    """Return what one has to know about a thing that the cause names, or None."""
    if EXPLAINED in cause:
        return None
    return next((note for word, note in NOTES.items() if word in cause), None)
