"""In which order kernels boot and experiments run; what is measured is the business of tests/machine."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest

from pyinsmod.cli.laboratory import RECORDS, Bench, Place, runs_at
from tracer.claims import Claims, read_claims
from vm.jobs import Job, JobResult
from vm.kernel_store import Kernel

TRACE = b'{"schema": 1, "type": "header", "command": [], "arch": "x86_64", "clock": "CLOCK_MONOTONIC"}\n'
CLAIMS = """\
schema = 1
[experiments.first]
run = "true"
[experiments.second]
run = "true"
[[claims]]
id = "it"
quote = "words"
says = "words are said"
tests = [{ experiment = "first", see = [{ type = "exec" }] }, { experiment = "second", see = [{ type = "exec" }] }]
"""


class Machines:
    """Machines whose boot takes until somebody says so; they note in which order things are done."""

    def __init__(self, name: str, noted: list[str], *, is_ready: bool = False) -> None:
        self.name = name
        self.is_ready = is_ready
        self.booted = asyncio.Event()
        self._noted = noted

    async def ready(self) -> None:
        if not self.is_ready:
            self._noted.append(f"{self.name} boots")
            await self.booted.wait()
            self.is_ready = True

    async def run(self, job: Job) -> JobResult:
        self._noted.append(f"{self.name} runs")
        return JobResult(0, b"1.0\n", b"", {RECORDS: TRACE} if job.goes_on else {}, {}, (), 0.1)


class Nothing:
    """Nothing was recorded, but perhaps the versions."""

    def __init__(self, *, versions: bool) -> None:
        self._versions = versions

    def get(self, job: Job) -> bytes | None:
        return b"1.0" if self._versions and not job.goes_on else None

    def keep(self, _job: Job, _trace: bytes) -> None:
        """There is no need to."""


@pytest.fixture
def claims(tmp_path: Path) -> Claims:
    document = tmp_path / "doc.md"
    document.write_text("words\n")
    (tmp_path / "doc.claims.toml").write_text(CLAIMS)
    return read_claims(document)


@pytest.mark.parametrize("versions", [False, True], ids=["nothing recorded", "versions recorded"])
def test_a_kernels_experiments_are_done_while_another_boots(claims: Claims, versions: bool) -> None:
    noted: list[str] = []

    async def main() -> None:
        bench = Bench(claims, asyncio.Semaphore(2), asyncio.Lock(), True, noted.append, lambda _: None)
        first, second = Machines("first", noted), Machines("second", noted)
        runs = [
            asyncio.create_task(runs_at(bench, _place(machines, versions=versions), ["kmod"]))
            for machines in (first, second)
        ]
        await asyncio.sleep(0.05)
        assert noted == ["first boots"]
        first.booted.set()
        await asyncio.wait_for(runs[0], 5)
        assert not runs[1].done()
        second.booted.set()
        await asyncio.wait_for(runs[1], 5)

    asyncio.run(main())
    assert noted[:2] == ["first boots", "second boots"] or noted[1] == "first runs"
    assert noted.count("first runs") == noted.count("second runs") == (2 if versions else 3)


def test_a_kernel_that_need_not_boot_waits_for_none_that_does(claims: Claims) -> None:
    noted: list[str] = []

    async def main() -> None:
        bench = Bench(claims, asyncio.Semaphore(2), asyncio.Lock(), True, noted.append, lambda _: None)
        boots, there = Machines("boots", noted), Machines("there", noted, is_ready=True)
        late = asyncio.create_task(runs_at(bench, _place(boots, versions=False), ["kmod"]))
        await asyncio.wait_for(runs_at(bench, _place(there, versions=True), ["kmod"]), 5)
        boots.booted.set()
        await asyncio.wait_for(late, 5)

    asyncio.run(main())
    assert noted.index("there runs") < noted.index("boots runs")


def _place(machines: Machines, *, versions: bool) -> Place:
    kernel = Kernel(machines.name, "6.1.0", "", Path("/nonexistent"), (), "", 0)
    return Place(kernel, machines, Nothing(versions=versions))


@pytest.mark.parametrize(
    "line", [b'{"type": "file"', b'{"type": "file"}', b'{"type": "file", "t": "x"}', b'{"type": "file", "t": 1}\n\xff']
)
def test_a_damaged_record_of_a_watched_file_breaks_its_experiment_alone(claims: Claims, line: bytes) -> None:
    class Damaged(Machines):
        async def run(self, job: Job) -> JobResult:
            done = await super().run(job)
            return dataclasses.replace(done, files={RECORDS: line + b"\n" + TRACE}) if job.goes_on else done

    noted: list[str] = []
    machines = Damaged("kernel", noted, is_ready=True)
    bench = Bench(claims, asyncio.Semaphore(1), asyncio.Lock(), True, noted.append, noted.append)
    (run,) = asyncio.run(runs_at(bench, _place(machines, versions=True), ["kmod"]))
    assert all((seen.broke or "").startswith("the trace is damaged: ") for seen in run.observations.values())
