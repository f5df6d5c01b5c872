"""Disposable machines for tests: a fresh one for each command, from one snapshot a kernel and session."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from pyinsmod.cli.guest import guest_content
from vm.jobs import JOB_SECONDS, Job, JobResult
from vm.kernel_store import fetch
from vm.run import Laboratory, laboratory

InMachine = Callable[..., JobResult]


@pytest.fixture(scope="session")
def in_machine() -> Iterator[InMachine]:
    """A function that runs a command in a fresh machine and returns what came of it."""
    with asyncio.Runner() as runner:
        opened = contextlib.AsyncExitStack()
        laboratories: dict[tuple[str, str], Laboratory] = {}

        async def run(job: Job, place: tuple[str, str]) -> JobResult:
            if place not in laboratories:
                kernel, parameters = place
                machines = laboratory(fetch(kernel), guest_content(), print, parameters)
                laboratories[place] = await opened.enter_async_context(machines)
            return await laboratories[place].run(job)

        def in_machine(
            argv: Sequence[str],
            files: Mapping[str, bytes] | None = None,
            kernel: str = "6.1",
            get: Sequence[str] = (),
            prepare: Sequence[Sequence[str]] = (),
            seconds: float = JOB_SECONDS,
            parameters: str = "",
        ) -> JobResult:
            commands = tuple(tuple(command) for command in prepare)
            job = Job(tuple(argv), files=files or {}, get=tuple(get), prepare=commands, seconds=seconds)
            return runner.run(run(job, (kernel, parameters)))

        yield in_machine
        runner.run(opened.aclose())
