"""What is said about a refusal: the cause in one line, the two values that differ, and what to do."""

from __future__ import annotations

from typing import NamedTuple

from pyinsmod.finding import Finding

# What one has to know to understand a thing that the cause names and does not explain by itself.
NOTES = {
    "module_layout": (
        "module_layout stands for the structures that every module shares with the kernel (struct module among "
        "them); where its CRC differs, the kernel was configured or patched otherwise, even if the release is the same"
    ),
}
# A cause in which this stands explains it by itself.
EXPLAINED = "struct module"


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


Vermagics = tuple[str | None, str | None]


def from_finding(finding: Finding, vermagics: Vermagics = (None, None)) -> Explanation:
    """Return the explanation a finding holds; `vermagics` are the module's and the kernel's, where they are known."""
    other = _built_for_another(finding, *vermagics)
    if other is not None:
        return other
    crash = finding.severity == "crashes" and "would crash" not in finding.summary
    return Explanation(
        f"would crash the kernel: {finding.summary}" if crash else finding.summary,
        finding.remedy,
        finding.module_has,
        finding.kernel_has,
        note_on(finding.summary),
        alike=finding.check == "vermagic",
        release_counts=finding.check != "vermagic" or "for release" in finding.summary,
    )


def _built_for_another(finding: Finding, module: str | None, kernel: str | None) -> Explanation | None:
    """Say it plainly where the first thing the kernel minds (a CRC) only shows that the module is another kernel's."""
    if module is None or kernel is None or finding.check != "modversions" or finding.severity != "refuses":
        return None
    releases = module.partition(" ")[0], kernel.partition(" ")[0]
    if releases[0] == releases[1]:
        return None
    cause = f"built for another kernel, '{releases[0]}'; this one is '{releases[1]}'"
    note = f"what the kernel minds first: {finding.summary}"
    return Explanation(cause, finding.remedy, module, kernel, note, alike=True)


def note_on(cause: str) -> str | None:
    """Return what one has to know about a thing that the cause names, or None."""
    if EXPLAINED in cause:
        return None
    return next((note for word, note in NOTES.items() if word in cause), None)
