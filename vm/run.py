"""Run one command in one fresh machine: the public face of this room."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial

from vm.conversation import Conversation
from vm.errors import MachineEnded, MachineLost
from vm.image import GuestContent, Image, OwnImage
from vm.jobs import Job, JobResult, Output
from vm.kernel_store import Kernel
from vm.snapshot import Progress, Snapshot, made_at, restored, snapshot_place
from vm.standing_by import place_of, standing_by_at

Making = Callable[[], AbstractAsyncContextManager[Snapshot]]


class Laboratory:
    """Fresh machines of one kernel and one guest content, any number side by side.

    Attributes:
        identity: changes with everything a machine is made of; the same machines have the same.
    """

    def __init__(self, place: Snapshot, make: Making, progress: Progress, stack: AsyncExitStack) -> None:
        self.identity = place.folder.name
        self._place = place
        self._make = make
        self._progress = progress
        self._stack = stack
        self._snapshot: Snapshot | MachineEnded | None = None
        self._making = asyncio.Lock()

    @property
    def is_ready(self) -> bool:
        """Whether `ready` need not boot anything: the snapshot is there, or is known not to come about."""
        return self._snapshot is not None or self._place.devices.exists()

    async def ready(self) -> Snapshot:
        """Make the snapshot, if there is none yet; `run` does so by itself.

        Raises:
            MachineEnded: the kernel does not boot; it is not tried again for every job.
        """
        async with self._making:
            if self._snapshot is None:
                try:
                    self._snapshot = await self._stack.enter_async_context(self._make())
                except MachineEnded as ended:
                    self._snapshot = ended
            if isinstance(self._snapshot, MachineEnded):
                raise self._snapshot
            return self._snapshot

    def standing_by(self, *argv: str) -> Laboratory:
        """Return a laboratory of machines in which a program, one of the guest's warm ones, stands by for a job.

        Its snapshot is made on first use, from this one's.
        """
        place = place_of(self._place, argv)
        making = partial(standing_by_at, place, self.ready, argv, self._progress)
        return Laboratory(place, making, self._progress, self._stack)

    async def run(self, job: Job, *, on_output: Output | None = None, stdin: int | None = None) -> JobResult:
        """Run `job` in a machine of its own.

        Args:
            job: what to run.
            on_output: called with frames.STDOUT or frames.STDERR and the bytes, as they come.
            stdin: descriptor the command's standard input is read from; None gives it an empty one.

        Raises:
            GuestCrashed: the guest's kernel died; GuestHung: its time was up.
            MachineLost: QEMU or the channel went away, twice if it happened before the job started.
        """
        snapshot = await self.ready()
        started = time.monotonic()
        with contextlib.suppress(_LostBeforeStart):
            return await _attempt(snapshot, job, on_output, stdin, started)
        self._progress("the machine was lost before the command started; trying once more")
        return await _attempt(snapshot, job, on_output, stdin, started)


class _LostBeforeStart(MachineLost):
    """The machine did not even come up; trying again costs nothing."""


async def _attempt(
    snapshot: Snapshot, job: Job, on_output: Output | None, stdin: int | None, started: float
) -> JobResult:
    running = False
    try:
        async with restored(snapshot) as machine:
            running = True
            try:
                async with asyncio.timeout(job.seconds):
                    return await Conversation(machine, job, on_output).hold(stdin, started)
            except TimeoutError as late:
                raise machine.hung(job.seconds) from late
    except MachineLost as lost:
        if running:
            raise
        raise _LostBeforeStart(str(lost), lost.last_words) from lost


@contextlib.asynccontextmanager
async def laboratory(
    kernel: Kernel, content: GuestContent, progress: Progress, parameters: str = ""
) -> AsyncIterator[Laboratory]:
    """Yield a laboratory for `kernel`; its snapshot is made on first use.

    `parameters` are words for the kernel's command line (kernel-command-line(7)).
    """
    async with laboratory_of(kernel, OwnImage(kernel, content), progress, parameters) as machines:
        yield machines


@contextlib.asynccontextmanager
async def laboratory_of(
    kernel: Kernel, image: Image, progress: Progress, parameters: str = ""
) -> AsyncIterator[Laboratory]:
    """Yield a laboratory for `kernel` with that image; its snapshot is made on first use."""
    place = await snapshot_place(kernel, image, parameters)
    async with AsyncExitStack() as stack:
        yield Laboratory(place, partial(made_at, place, kernel, image, progress), progress, stack)
