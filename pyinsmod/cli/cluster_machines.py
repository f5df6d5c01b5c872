"""Machines on the workers of a Dask cluster: `--scheduler ADDRESS` of `try` and `validate`.

A job goes out with a description of its machine. A worker that has none like it asks for its parts, the boot image and
the initramfs; these are the result of a job of their own, so that each worker gets them once, from whoever has them.
Dask does the jobs of a lost worker again on another one, and each job has one future, which is looked at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from pyinsmod.cluster.code import insist_on_code, own_code
from pyinsmod.cluster.connection import GLANCE, ClusterLost, Connection, Failed
from pyinsmod.lean import Any
from vm.errors import MachineLost
from vm.image import GuestContent, OwnImage
from vm.jobs import Job, JobResult, Output
from vm.kernel_store import Kernel
from vm.shipped import Answer, MachineKind, Parts, kind_of, parts_of, run_here
from vm.snapshot import Progress


class ClusterMachines:
    """Workers of a scheduler; use it in a `with` statement.

    Raises:
        UsageError: the extra is not installed.
        MachineLost: nobody answers at the address.
    """

    def __init__(self, address: str) -> None:
        try:
            self._connection = Connection(address)
        except ClusterLost as lost:
            raise MachineLost(str(lost)) from lost

    def __enter__(self) -> ClusterMachines:  # noqa: PYI034 - as `Self`, and the same for whoever reads it
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def places(self) -> int:
        """Return how many machines may run side by side; one more is at hand for whoever is done first."""
        return self._connection.threads() + 1

    @asynccontextmanager
    async def laboratory(
        self, kernel: Kernel, content: GuestContent, progress: Progress
    ) -> AsyncIterator[_MachinesElsewhere]:
        """Yield a laboratory for `kernel`, as `vm.run.laboratory` does."""
        yield _MachinesElsewhere(_Crew(self._connection, kernel, OwnImage(kernel, content), progress))


class _Crew:
    """All workers, for jobs in machines of one kernel."""

    def __init__(self, connection: Connection, kernel: Kernel, image: OwnImage, progress: Progress) -> None:
        self.kind = kind_of(kernel, image)
        self._connection, self._kernel, self._image, self._progress = connection, kernel, image, progress
        self._parts: Any = None
        self._packing = asyncio.Lock()

    async def do(self, kind: MachineKind, job: Job) -> Answer:
        """Have a job done, wherever that is; parts go out once somebody wants them."""
        answer = await self._sent(kind, self._parts, job)
        if answer.wants_parts:
            answer = await self._sent(kind, await self._shared_parts(), job)
        for line in answer.notes:
            self._progress(f"on a worker: {line}")
        return answer

    async def _shared_parts(self) -> object:
        """Return the future of the parts, with which a worker that has them helps another one out."""
        async with self._packing:
            if self._parts is None:
                self._progress(f"sending kernel {self._kernel.name} and its image to the workers")
                parts = await asyncio.to_thread(parts_of, self._kernel, self._image)
                self._parts = await asyncio.to_thread(self._connection.submit, keep, parts)
            return self._parts

    async def _sent(self, kind: MachineKind, parts: object, job: Job) -> Answer:
        try:
            future = self._connection.submit(run_on_worker, own_code(), kind, parts, job)
            try:
                outcome: Answer | Failed = await self._outcome(future)
            finally:
                if not future.done():  # interrupted: nobody waits for it any more
                    self._connection.cancel([future])
        except ClusterLost as lost:
            raise MachineLost(str(lost)) from lost
        if isinstance(outcome, Failed):
            raise MachineLost(outcome.why)
        return outcome

    async def _outcome(self, future: Any) -> Any:
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(ended.set))
        while not ended.is_set():
            try:
                async with asyncio.timeout(GLANCE):
                    await ended.wait()
            except TimeoutError:
                await asyncio.to_thread(self._connection.glance)
        return await asyncio.to_thread(self._connection.outcome, future)


class _MachinesElsewhere:
    """See `pyinsmod.cli.machines.FreshMachines`."""

    is_ready = True  # each worker boots what it needs

    def __init__(self, crew: _Crew, stands_by: tuple[str, ...] = ()) -> None:
        self._crew = crew
        self._kind = replace(crew.kind, stands_by=stands_by)

    @property
    def identity(self) -> str:
        return self._kind.word

    async def ready(self) -> None:
        pass

    def standing_by(self, *argv: str) -> _MachinesElsewhere:
        return _MachinesElsewhere(self._crew, argv)

    async def run(self, job: Job, *, on_output: Output | None = None) -> JobResult:
        answer = await self._crew.do(self._kind, job)
        if on_output:
            for stream, data in answer.said:
                on_output(stream, data)
        if answer.error is not None:
            raise answer.error
        if answer.result is None:
            raise MachineLost("a worker gave no answer")
        return answer.result


# --- what runs on a worker


def keep(parts: Parts) -> Parts:
    """Return what is shipped; as the result of a job it goes from worker to worker, and is made anew when lost."""
    return parts


def run_on_worker(code: str, kind: MachineKind, parts: Parts | None, job: Job) -> Answer:
    """Run a job on this worker."""
    insist_on_code(code)
    return run_here(kind, parts, job)
