"""What may be left open, and what has to be looked into."""

from __future__ import annotations

import pytest

from pyinsmod.checks.relocation_findings import in_struct_module, unsettled_crash
from pyinsmod.cli.reality import Reality
from pyinsmod.finding import Finding
from pyinsmod.prediction import Prediction
from tests.agreement.__main__ import forbidden
from tests.agreement.case import Case
from tests.agreement.judge import judged
from tests.agreement.measure import Result
from tests.agreement.reasons import UNKNOWN, UNLIKE, reason_of

LEFT_OPEN, IN_VAIN, REFUSED = Prediction("cannot-tell"), Prediction("reaches-init"), Prediction("refused", "ENOEXEC")
OTHER = Finding("symbols", 9, "cannot-tell", "what the kernel exports is unknown")
CRASHED = Reality("crashed-kernel")


@pytest.mark.parametrize("check", ["elf", "constructors", "special-sections"])
def test_the_name_of_a_section_is_one_reason_whoever_reads_it(check: str) -> None:
    doubt = unsettled_crash(check, 8, "the name of section 3 is read behind the end of the file")[0]
    assert reason_of(LEFT_OPEN, doubt).name == "a section's name far behind the file"


@pytest.mark.parametrize("check", ["memory", "relocations", "special-sections", "sysfs-name", "parameters"])
def test_every_check_that_may_read_beside_the_module_has_its_reason(check: str) -> None:
    assert reason_of(LEFT_OPEN, unsettled_crash(check, 8, "it is read outside")[0]) not in (UNKNOWN, UNLIKE)


def test_other_doubts_and_plain_errors_are_told_apart() -> None:
    assert reason_of(LEFT_OPEN, in_struct_module("relocation 1")).name == "a relocation of struct module"
    assert reason_of(LEFT_OPEN, OTHER) == UNLIKE
    assert reason_of(REFUSED, OTHER._replace(severity="refuses")) == UNKNOWN
    assert reason_of(IN_VAIN, None) == UNKNOWN


@pytest.mark.parametrize(
    ("name", "prediction", "because", "expected"),
    [
        ("fault/a", LEFT_OPEN, unsettled_crash("memory", 8, "outside")[0], False),
        ("fault/a", LEFT_OPEN, OTHER, True),
        ("fault/a", REFUSED, None, True),
        ("mutation/a", LEFT_OPEN, OTHER, False),
        ("mutation/a", REFUSED, None, False),
        ("mutation/a", IN_VAIN, None, True),
        ("module/a", IN_VAIN, None, True),
    ],
)
def test_what_must_not_be(name: str, prediction: Prediction, because: Finding | None, expected: bool) -> None:
    result = Result(Case(name, b""), prediction, CRASHED, judged(prediction, CRASHED), because)
    assert forbidden(result) == expected
