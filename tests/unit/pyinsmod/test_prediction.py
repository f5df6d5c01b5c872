"""What the kernel answers first, out of many findings."""

from __future__ import annotations

import pytest

from pyinsmod.finding import Finding, Severity
from pyinsmod.prediction import predict


def finding(check: str, severity: Severity, errno: str | None = None, step: int = 7) -> Finding:
    return Finding(check, step, severity, f"{check} {severity}", errno=errno, log=f"{check}: line")


BAD_MAGIC = finding("vermagic", "refuses", "ENOEXEC")
MISSING = finding("symbols", "refuses", "ENOENT", 9)
MISSING_CRC = finding("symbols", "refuses", "EINVAL", 9)
DOUBT = finding("vermagic", "cannot-tell", "ENOEXEC")
CRASH = finding("elf", "crashes", None, 6)
LAYOUT = finding("modversions", "refuses", "ENOEXEC")
WRONG_CRC = finding("symbol-versions", "refuses", "EINVAL", 9)
HIDDEN = finding("licence", "refuses", "ENOENT", 9)
# The kernel crashes here, or goes on with what it has read.
_DETOUR: tuple[Severity, ...] = ("cannot-tell", "crashes")
DETOUR = tuple(finding("memory", severity, None, 8)._replace(goes_on=True) for severity in _DETOUR)
LATER_CRASH = finding("relocations", "crashes", None, 10)
CRC_UNKNOWN = finding("symbol-versions", "cannot-tell", "EINVAL", 9)


@pytest.mark.parametrize(
    ("findings", "outcome", "errno", "step"),
    [
        ((), "reaches-init", None, None),
        ((finding("vermagic", "taints"), finding("elf", "warns")), "reaches-init", None, None),
        ((DOUBT,), "cannot-tell", None, None),
        ((BAD_MAGIC, MISSING), "refused", "ENOEXEC", 7),
        ((MISSING, MISSING_CRC), "refused", "EINVAL", 9),
        ((CRASH, BAD_MAGIC), "crashes-kernel", None, 6),
        ((BAD_MAGIC, CRASH), "refused", "ENOEXEC", 7),
        ((DOUBT, MISSING), "refused", None, None),
        ((DOUBT, finding("relocations", "refuses", "ENOEXEC", 10)), "refused", "ENOEXEC", None),
        ((DOUBT, CRASH), "cannot-tell", None, None),
        ((BAD_MAGIC, DOUBT), "refused", "ENOEXEC", 7),
        # One loop over the symbol table: its last refusal counts, whatever it is about, and doubts only after that.
        ((MISSING, WRONG_CRC), "refused", "EINVAL", 9),
        ((WRONG_CRC, HIDDEN), "refused", "ENOENT", 9),
        ((WRONG_CRC, finding("namespaces", "refuses", "EINVAL", 9), MISSING), "refused", "ENOENT", 9),
        ((CRC_UNKNOWN, MISSING), "refused", "ENOENT", 9),
        ((MISSING, CRC_UNKNOWN), "refused", None, None),
        ((WRONG_CRC, CRC_UNKNOWN), "refused", "EINVAL", None),
        ((DOUBT, CRC_UNKNOWN, MISSING), "refused", None, None),
        ((MISSING, finding("symbols", "crashes", None, 9), WRONG_CRC), "crashes-kernel", None, 9),
        ((LAYOUT, MISSING), "refused", "ENOEXEC", 7),
        ((finding("licence", "taints"), MISSING), "refused", "ENOENT", 9),
        (DETOUR, "cannot-tell", None, None),
        ((*DETOUR, LATER_CRASH), "crashes-kernel", None, 10),
        ((*DETOUR, MISSING, LATER_CRASH), "cannot-tell", None, None),
        ((*DETOUR, DOUBT, LATER_CRASH), "cannot-tell", None, None),
        ((DOUBT, CRASH, LATER_CRASH), "cannot-tell", None, None),
    ],
)
def test_the_first_answer(findings: tuple[Finding, ...], outcome: str, errno: str | None, step: int | None) -> None:
    prediction = predict(findings)
    assert (prediction.outcome, prediction.errno, prediction.step) == (outcome, errno, step)
