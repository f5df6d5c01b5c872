"""Run one command in one fresh machine: the public face of this room."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import struct
import time
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from vm.errors import MachineEnded, MachineLost
from vm.guest import frames
from vm.image import GuestContent
from vm.kernel_store import Kernel
from vm.machine import Machine
from vm.snapshot import Progress, Snapshot, made_at, restored, snapshot_place
from vm.standing_by import place_of, standing_by_at

JOB_SECONDS = 120.0
Output = Callable[[bytes, bytes], None]
Making = Callable[[], AbstractAsyncContextManager[Snapshot]]


@dataclass(frozen=True)
class Job:
    """A command for a machine.

    Attributes:
        argv: the command; looked up in the guest's PATH.
        files: guest path → content, put there before; mode 0644, or 0755 below a `bin` folder.
        links: guest path → what a symbolic link there says, put in the place of whatever was there.
        prepare: commands that have to succeed before; their output is not kept.
        get: guest paths to bring back afterwards.
        environment: added to the guest's.
        cwd: the command's working folder in the guest.
        terminal: rows and columns of a pseudo-terminal for the command; None for pipes.
        goes_on: the program that stands by is to do it, and `argv` is what it goes on with.
        seconds: time limit for everything from restore to result.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    prepare: tuple[tuple[str, ...], ...] = ()
    get: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/root"
    terminal: tuple[int, int] | None = None
    goes_on: bool = False
    seconds: float = JOB_SECONDS


@dataclass(frozen=True)
class JobResult:
    """What came of a job whose machine lived to tell.

    Attributes:
        status: exit status, 128 + signal number for a killed command, 127 when there was none.
        stdout, stderr: complete, as bytes.
        files: what `get` asked for and the guest had.
        missing: guest path → reason, for what it had not.
        console: the console's last lines.
        seconds: from the start of QEMU to the last byte.
        not_started: why the command was not even started, or None.
    """

    status: int
    stdout: bytes
    stderr: bytes
    files: Mapping[str, bytes]
    missing: Mapping[str, str]
    console: tuple[str, ...]
    seconds: float
    not_started: str | None = None


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
        """Whether `ready` need not wait: the snapshot is there, or is known not to come about."""
        return self._snapshot is not None

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
                    return await _Conversation(machine, job, on_output).hold(stdin, started)
            except TimeoutError as late:
                raise machine.hung(job.seconds) from late
    except MachineLost as lost:
        if running:
            raise
        raise _LostBeforeStart(str(lost), lost.last_words) from lost


class _Conversation:
    """The exchange of frames around one job."""

    def __init__(self, machine: Machine, job: Job, on_output: Output | None) -> None:
        self._machine = machine
        self._job = job
        self._on_output = on_output
        self._output = {frames.STDOUT: bytearray(), frames.STDERR: bytearray()}
        self._files: dict[str, bytearray] = {}
        self._missing: dict[str, str] = {}
        self._incoming: bytearray = bytearray()
        self._unconsumed = 0  # bytes of standard input under way
        self._room = asyncio.Event()

    async def hold(self, stdin: int | None, started: float) -> JobResult:
        for path, content in self._job.files.items():
            await self._put(path, content)
        await self._machine.send(frames.encode_json(frames.RUN, self._request()))
        feeder = asyncio.create_task(self._feed(stdin))
        try:
            end = await self._until_exit()
        finally:
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
        if "error" in end:
            self._take(frames.STDERR, f"{end['error']}\n".encode())
        return JobResult(
            status=int(end.get("status", 127)),
            stdout=bytes(self._output[frames.STDOUT]),
            stderr=bytes(self._output[frames.STDERR]),
            files={path: zlib.decompress(content) for path, content in self._files.items()},
            missing=self._missing,
            console=self._machine.last_words,
            seconds=time.monotonic() - started,
            not_started=end.get("error"),
        )

    def _request(self) -> dict[str, object]:
        return {
            "argv": list(self._job.argv),
            "links": dict(self._job.links),
            "prepare": [list(command) for command in self._job.prepare],
            "cwd": self._job.cwd,
            "env": dict(self._job.environment),
            "get": list(self._job.get),
            "realtime": time.time(),
            "terminal": self._job.terminal is not None,
            "go_on": self._job.goes_on,
        }

    async def _put(self, path: str, content: bytes) -> None:
        mode = 0o755 if "bin/" in path else 0o644
        packed = zlib.compress(content)  # the line is slow
        await self._machine.send(frames.encode_json(frames.PUT, {"path": path, "mode": mode, "size": len(packed)}))
        async for kind, payload in self._machine.send_bulk(frames.DATA, packed):
            self._take(kind, payload)

    async def _feed(self, stdin: int | None) -> None:
        """Pass our standard input on, if there is one; the guest's command sees its end either way."""
        if self._job.terminal:
            rows, columns = self._job.terminal
            await self._machine.send(frames.encode_json(frames.WINSIZE, {"rows": rows, "columns": columns}))
        while stdin is not None and (data := await _readable_bytes(stdin)):
            self._unconsumed += len(data)
            await self._machine.send(frames.encode(frames.STDIN, data))
            while self._unconsumed >= frames.WINDOW:
                self._room.clear()
                await self._room.wait()
        await self._machine.send(frames.encode(frames.STDIN))

    async def _until_exit(self) -> dict[str, Any]:
        while True:
            kind, payload = await self._machine.receive()
            if kind == frames.EXIT:
                return dict(json.loads(payload))
            self._take(kind, payload)

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind in self._output:
            self._output[kind] += payload
            if self._on_output:
                self._on_output(kind, payload)
        elif kind == frames.ACK:
            self._unconsumed -= struct.unpack(">I", payload)[0]
            self._room.set()
        elif kind == frames.FILE:
            described = json.loads(payload)
            if "error" in described:
                self._missing[described["path"]] = described["error"]
            else:
                self._incoming = self._files[described["path"]] = bytearray()
        elif kind == frames.DATA:
            self._incoming += payload


async def _readable_bytes(descriptor: int) -> bytes:
    """Wait until a descriptor has something and read it; regular files always have."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # epoll_ctl(2): a regular file or /dev/null
        return os.read(descriptor, frames.CHUNK)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
    return os.read(descriptor, frames.CHUNK)


@contextlib.asynccontextmanager
async def laboratory(kernel: Kernel, content: GuestContent, progress: Progress) -> AsyncIterator[Laboratory]:
    """Yield a laboratory for `kernel`; its snapshot is made on first use."""
    place = await snapshot_place(kernel, content)
    async with AsyncExitStack() as stack:
        yield Laboratory(place, partial(made_at, place, kernel, content, progress), progress, stack)
