"""A program that stands by: it prepares itself once, and every machine goes on from there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from pyinsmod.cli.guest import STANDS_BY, guest_content
from pyinsmod.cli.laboratory import RECORDS, TRACE, USUAL_MODULE
from vm.errors import MachineLost
from vm.jobs import Job, JobResult
from vm.kernel_store import fetch
from vm.run import Laboratory, laboratory

pytestmark = pytest.mark.machine

Result = TypeVar("Result")


def in_laboratory(work: Callable[[Laboratory], Awaitable[Result]]) -> Result:
    async def main() -> Result:
        async with laboratory(fetch("6.1"), guest_content(), print) as machines:
            return await work(machines)

    return asyncio.run(main())


def test_each_machine_goes_on_with_words_of_its_own() -> None:
    async def both(machines: Laboratory) -> list[JobResult]:
        standing_by = machines.standing_by(STANDS_BY, USUAL_MODULE, *TRACE)
        jobs = [
            Job(
                ("sh", "-c", f"echo {word}; pwd; cat said"), goes_on=True, files={"said": word.encode()}, get=(RECORDS,)
            )
            for word in ("one", "two")
        ]
        return list(await asyncio.gather(*map(standing_by.run, jobs)))

    results = in_laboratory(both)
    assert [(result.status, result.stdout) for result in results] == [(0, b"one\n/root\none"), (0, b"two\n/root\ntwo")]
    headers = [json.loads(result.files[RECORDS].splitlines()[0]) for result in results]
    assert [header["command"][2].split(";")[0] for header in headers] == ["echo one", "echo two"]


def test_what_happened_before_the_command_is_not_in_its_trace() -> None:
    command = "echo '<6>the command was here' > /dev/kmsg"

    async def one(machines: Laboratory) -> JobResult:
        job = Job(
            ("sh", "-c", command),
            goes_on=True,
            prepare=(("sh", "-c", "echo '<6>the preparation was here' > /dev/kmsg; modprobe dummy"),),
            get=(RECORDS,),
        )
        return await machines.standing_by(STANDS_BY, USUAL_MODULE, *TRACE).run(job)

    records = [json.loads(line) for line in in_laboratory(one).files[RECORDS].splitlines()]
    assert [one["text"] for one in records if one["type"] == "log"] == ["the command was here"]
    assert not [one for one in records if one["type"] in {"uevent", "kernel_call", "kernel_event"}]


def test_other_commands_run_beside_it() -> None:
    result = in_laboratory(lambda machines: machines.standing_by(STANDS_BY, USUAL_MODULE, *TRACE).run(Job(("true",))))
    assert (result.status, result.stdout, result.stderr) == (0, b"", b"")


def test_a_program_that_ends_instead_is_named() -> None:
    with pytest.raises(MachineLost, match=r"pyinsmod did not get ready: pyinsmod: .*no-such-file"):
        in_laboratory(lambda machines: machines.standing_by("pyinsmod", "no-such-file.ko").ready())


def test_nothing_can_go_on_where_nothing_stands_by() -> None:
    result = in_laboratory(lambda machines: machines.run(Job(("true",), goes_on=True)))
    assert result.status == 127
    assert result.stderr == b"true: nothing stands by in this machine\n"
