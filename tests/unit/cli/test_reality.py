"""What a load in a machine reports is the word of a kernel that may be hostile."""

from __future__ import annotations

import asyncio
import json

import pytest

from pyinsmod.cli.reality import Attempt, load_for_real
from vm.errors import MachineLost
from vm.jobs import Job, JobResult, Output
from vm.run import Laboratory

SOUND: dict[str, object] = {
    "outcome": "loaded",
    "errno": None,
    "log": [],
    "seconds": 0.1,
    "init_reached": True,
    "refused_first": None,
    "loaded": [],
}


class Machine(Laboratory):
    """One whose load says this."""

    def __init__(self, said: bytes) -> None:
        self._said = said

    async def run(self, job: Job, *, on_output: Output | None = None, stdin: int | None = None) -> JobResult:  # noqa: ARG002
        return JobResult(0, self._said, b"", {}, {}, ("last words",), 0.2)


@pytest.mark.parametrize(
    "said",
    [
        b"{",
        b"[]",
        b"3",
        b"null",
        b"\xff",
        b"{}",
        *(json.dumps({**SOUND, key: 3}).encode() for key in ("log", "loaded")),
    ],
)
def test_what_makes_no_sense_is_a_lost_machine(said: bytes) -> None:
    with pytest.raises(MachineLost, match="makes no sense") as lost:
        asyncio.run(load_for_real(Machine(said + b"\n"), Attempt("m.ko", b"")))
    assert lost.value.last_words == ("last words",)
