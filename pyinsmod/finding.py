"""What one check found: one fault, with the two values that differ and what to do about it."""

from __future__ import annotations

from pyinsmod.lean import Literal, NamedTuple
from pyinsmod.text import pasteable

Severity = Literal["refuses", "crashes", "taints", "warns", "cannot-tell"]


class Finding(NamedTuple):
    """One fault of a module on a kernel.

    `step` is the documented step the kernel would stop at, `errno` the symbol it would answer with
    (for `cannot-tell`: would answer if it refuses), `log` the line it would write. `goes_on` says that the
    kernel crashes here or goes on, and that the findings behind hold whatever it has read. Text of the module
    stands in these fields as it is; whoever shows them escapes them. In a
    remedy the words FILE and NAME stand for the module's file and name until `for_file` fills them in.
    """

    check: str
    step: int
    severity: Severity
    summary: str
    errno: str | None = None
    module_has: str | None = None
    kernel_has: str | None = None
    remedy: str | None = None
    log: str | None = None
    goes_on: bool = False

    def for_file(self, file: str, module: str | None) -> Finding:
        """Return the finding with a remedy that can be pasted as it stands."""
        return self._replace(remedy=pasteable(self.remedy, file, module)) if self.remedy else self

    def to_json(self) -> dict[str, object]:
        """Return the object that stands in `findings` of the JSON output."""
        return {
            "check": self.check,
            "step": self.step,
            "severity": self.severity,
            "errno": self.errno,
            "summary": self.summary,
            "module_has": self.module_has,
            "kernel_has": self.kernel_has,
            "remedy": self.remedy,
        }
