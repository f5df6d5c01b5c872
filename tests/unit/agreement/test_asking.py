"""A crash that does not happen again is the emulator's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, cast

import pytest

from pyinsmod.cli.reality import Reality
from tests.agreement import measure
from tests.agreement.case import Case
from vm.errors import MachineLost

CRASH, REFUSAL = Reality("crashed-kernel"), Reality("refused", "ENOEXEC")


def asked(monkeypatch: pytest.MonkeyPatch, answers: Iterator[Reality | MachineLost]) -> Reality | None:
    async def load(*_: object) -> Reality:
        answer = next(answers)
        if isinstance(answer, MachineLost):
            raise answer
        return answer

    monkeypatch.setattr(measure, "load_for_real", load)
    return asyncio.run(measure._asked(cast(Any, None), Case("fault/plain/not-elf", b"")))


@pytest.mark.parametrize(
    ("answers", "believed"),
    [
        ([REFUSAL], REFUSAL),
        ([CRASH, REFUSAL], REFUSAL),
        ([CRASH, CRASH], CRASH),
        ([MachineLost("gone")], None),
    ],
)
def test_a_crash_has_to_happen_each_time(
    monkeypatch: pytest.MonkeyPatch, answers: list[Reality | MachineLost], believed: Reality | None
) -> None:
    left = iter(answers)
    assert asked(monkeypatch, left) == believed
    assert not list(left)
