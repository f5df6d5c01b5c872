"""Why a case does not agree: told from what was predicted and from the finding behind it, never from its name."""

from __future__ import annotations

from typing import NamedTuple

from pyinsmod.checks.relocation_findings import DISTANCE, UNSETTLED
from pyinsmod.finding import Finding
from pyinsmod.prediction import Prediction
from tests.agreement.surroundings import Beside

# What is common to most.
NEIGHBOURS = (
    "*Outside.* Only a page behind each of the kernel's areas is certain not to be there. Further on stands what the"
    " running kernel happens to have taken memory for: stacks, per-cpu memory, other modules, what devices are"
    " configured with. Where nothing stands the kernel crashes, else it goes on with what it reads. Which of them it is"
    " no file tells, as the cases show that were answered in different ways, and `pyinsmod load` does not try it out."
    " Of those that were never answered in another way, some have a second damage that crashes the kernel when the"
    " first does not; of the others the right content for that place was not found."
)


class Reason(NamedTuple):
    """One reason: a short name for tables, what there is to know, and what it depends on (None: no memory)."""

    name: str
    text: str
    beside: Beside | None = None


class _Row(NamedTuple):
    # Empty: whichever check it is.
    check: str
    words: str
    reason: Reason


_TABLE = (
    _Row("", "the name of section", Reason("a section's name far behind the file", "It is read untested.", "file")),
    _Row(
        "memory",
        UNSETTLED,
        Reason(
            "a symbol in a section that is not there",
            "The header of that section is read behind the table: 5.10 does so for every symbol, the others for symbol"
            " 0, whose section nobody tests.",
            "file",
        ),
    ),
    _Row(
        "relocations",
        UNSETTLED,
        Reason(
            "a relocation near to the module, and outside",
            "The place it changes, or the symbol it names, lies behind the module's own memory. What is not zero there"
            " is refused (ENOEXEC), what is zero is changed.",
            "module",
        ),
    ),
    _Row(
        "special-sections",
        UNSETTLED,
        Reason("a table that leads near to the module, and outside", "It is followed untested.", "module"),
    ),
    _Row("sysfs-name", UNSETTLED, Reason("a parameter's name outside of the module", "It is read untested.", "module")),
    _Row("parameters", UNSETTLED, Reason("a parameter's name outside of the module", "It is read untested.", "module")),
    _Row(
        "relocations",
        DISTANCE,
        Reason(
            "how far kernel and module are from each other",
            "Where modules are put is drawn when the kernel boots: what has to reach from one to the other may do so,"
            " and on arm64 what does not gets help, as far as room was counted for it.",
            "distance",
        ),
    ),
    _Row(
        "relocations",
        "changes struct module",
        Reason(
            "a relocation of struct module",
            "The kernel has filled struct module by then. Its state, its lists, its reference counter and its name are"
            " known not to be zero, which x86-64 refuses (ENOEXEC); the rest only a running kernel tells.",
        ),
    ),
)
UNDECIDABLE = frozenset(row.reason for row in _TABLE)
UNKNOWN = Reason("not understood", "Nothing is known of these yet: a fault of the prediction.")
UNLIKE = Reason("something else is undecided", "A fact that no file of the kernel's package has, as the finding says.")


def reason_of(prediction: Prediction, because: Finding | None) -> Reason:
    """Return why a prediction did not come true, by the finding it rests on."""
    if because is not None:
        for row in _TABLE:
            if row.check in ("", because.check) and row.words in because.summary:
                return row.reason
    return UNLIKE if prediction.outcome == "cannot-tell" else UNKNOWN


def reason_named(name: str) -> Reason:
    """Return the reason that a page calls so.

    Raises:
        KeyError: there is none, any more.
    """
    return {reason.name: reason for reason in (*UNDECIDABLE, UNKNOWN, UNLIKE)}[name]
