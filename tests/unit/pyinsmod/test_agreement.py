"""Prediction against answer: what counts as agreeing."""

from __future__ import annotations

import pytest

from pyinsmod.agreement import Answer, compare
from pyinsmod.finding import Finding
from pyinsmod.prediction import predict

MAGIC = Finding("vermagic", 7, "refuses", "vermagic differs", "ENOEXEC", log="m: version magic 'a' should be 'b'")
SYMBOL = Finding("symbols", 9, "refuses", "unknown symbol 'x'", "ENOENT", log="m: Unknown symbol x (err -2)")
CRASH = Finding("elf", 6, "crashes", "two symbol tables")
DOUBT = Finding("symbols", 9, "cannot-tell", "exports are unknown", "ENOENT")


@pytest.mark.parametrize(
    ("findings", "answer", "agrees"),
    [
        ((), Answer("loaded"), True),
        ((), Answer("refused", "ENODEV"), True),
        ((), Answer("refused", "EINVAL", init_reached=True), True),
        ((), Answer("refused", "EINVAL", init_reached=False), False),
        ((), Answer("refused", "ENOEXEC"), False),
        ((), Answer("refused", "ENOENT", ("m: Unknown symbol x (err -2)",)), False),
        ((), Answer("crashed-kernel", init_reached=True), True),
        ((), Answer("crashed-kernel", init_reached=False), False),
        ((), Answer("hung"), None),
        ((MAGIC,), Answer("refused", "ENOEXEC", ("m: version magic 'a' should be 'b'",)), True),
        ((MAGIC,), Answer("refused", "ENOEXEC"), True),
        ((MAGIC,), Answer("refused", "EINVAL"), False),
        ((MAGIC,), Answer("refused", "ENOSYS"), None),
        ((MAGIC,), Answer("refused", "ENOEXEC", ("m: exports duplicate symbol x (owned by kernel)",)), False),
        ((MAGIC,), Answer("loaded"), False),
        ((MAGIC,), Answer("crashed-kernel"), False),
        ((SYMBOL,), Answer("refused", "ENOENT", init_reached=True), False),
        ((CRASH,), Answer("crashed-kernel"), True),
        ((CRASH,), Answer("refused", "ENOEXEC"), False),
        ((DOUBT,), Answer("loaded"), None),
        ((DOUBT, MAGIC), Answer("refused", "ENOENT"), True),
    ],
)
def test_what_agrees(findings: tuple[Finding, ...], answer: Answer, agrees: bool | None) -> None:
    assert compare(predict(findings), findings, answer).agrees is agrees


def test_both_are_said_in_words() -> None:
    found = compare(predict([SYMBOL]), [SYMBOL], Answer("refused", "EINVAL"))
    assert found.to_json() == {"agrees": False, "predicted": "refused ENOENT at step 9", "real": "refused EINVAL"}
    init = compare(predict([]), [], Answer("refused", "ENODEV", init_reached=True))
    assert (init.predicted, init.real) == ("reaches init", "its init function returned -ENODEV")
