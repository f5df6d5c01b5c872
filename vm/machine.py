"""A running machine: its console, its monitor, the channel to its agent, and how it ended.

The three ends are kept apart here: the command's own status, a guest that crashed or hung (with its last
words), and a machine that was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from collections.abc import AsyncIterator
from typing import Any, Self

from vm import qemu
from vm.architectures import Architecture
from vm.errors import GuestCrashed, GuestHung, MachineEnded, MachineLost
from vm.guest import frames

READ_SIZE = 64 * 1024
LAST_WORDS = 200  # console lines kept for a crash report
LONGEST_LINE = 4096  # characters; the kernel's own are shorter, and a guest may never end one
GOODBYE = 2.0  # seconds to wait for the rest of the console and QEMU's own last event


class Machine:
    """One QEMU process; an asynchronous context manager that leaves nothing running."""

    def __init__(self, architecture: Architecture, arguments: list[str]) -> None:
        self.architecture = architecture
        self._arguments = arguments
        self._lines: deque[str] = deque([""], maxlen=LAST_WORDS)
        self._decoder = frames.Decoder()
        self._frames: deque[tuple[bytes, bytes]] = deque()
        self._console: asyncio.Task[None] | None = None
        self._writers: list[asyncio.StreamWriter] = []
        from qemu import qmp  # here: Debian has no such package, and most commands start no machine

        self.monitor = qmp.QMPClient("machine")
        self._shutdowns = qmp.events.EventListener("SHUTDOWN")
        self._broken = (qmp.QMPError, EOFError, OSError)  # what a monitor raises whose QEMU has gone

    async def __aenter__(self) -> Self:
        self._qemu = await qemu.start(self.architecture, self._arguments)
        try:
            await self._connect()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop()

    async def _connect(self) -> None:
        console, console_writer = await asyncio.open_connection(sock=self._qemu.console)
        self._writers.append(console_writer)
        self._console = asyncio.create_task(self._listen(console))
        self._reader, self._writer = await asyncio.open_connection(sock=self._qemu.channel)
        self._writers.append(self._writer)
        self.monitor.register_listener(self._shutdowns)
        try:
            await self.monitor.connect(self._qemu.monitor)
        except self._broken as failure:
            raise await self._ending("QEMU did not start") from failure

    def kill(self) -> None:
        """End QEMU at once; leaving the context does so too."""
        self._qemu.kill()

    async def _stop(self) -> None:
        self.kill()
        await self._qemu.process.wait()
        with contextlib.suppress(*self._broken):
            await self.monitor.disconnect()
        if self._console:
            self._console.cancel()
            await asyncio.gather(self._console, return_exceptions=True)
        for writer in self._writers:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self._qemu.close()

    async def _listen(self, console: asyncio.StreamReader) -> None:
        while data := await console.read(READ_SIZE):
            first, *rest = data.decode("utf-8", "backslashreplace").replace("\r", "").split("\n")
            self._lines[-1] = (self._lines[-1] + first)[:LONGEST_LINE]
            self._lines.extend(line[:LONGEST_LINE] for line in rest)

    @property
    def last_words(self) -> tuple[str, ...]:
        """The console's last lines, oldest first."""
        return tuple(line for line in self._lines if line.strip())

    async def execute(self, command: str, **arguments: Any) -> Any:  # noqa: ANN401 - QMP returns any JSON
        """Run one QMP command."""
        try:
            return await self.monitor.execute(command, arguments or None)
        except self._broken as failure:
            raise await self._ending(f"QMP command {command} failed: {failure}") from failure

    async def send(self, frame: bytes) -> None:
        """Send one frame to the agent."""
        try:
            self._writer.write(frame)
            await self._writer.drain()
        except OSError as failure:
            raise await self._ending("the channel to the guest broke") from failure

    async def send_bulk(self, kind: bytes, data: bytes) -> AsyncIterator[tuple[bytes, bytes]]:
        """Send `data` in acknowledged pieces; yield the other frames that arrive meanwhile."""
        unacknowledged = 0
        for start in range(0, len(data), frames.CHUNK):
            piece = data[start : start + frames.CHUNK]
            await self.send(frames.encode(kind, piece))
            unacknowledged += len(piece)
            last = start + frames.CHUNK >= len(data)
            while unacknowledged and (last or unacknowledged >= frames.WINDOW):
                received, payload = await self.receive()
                if received == frames.ACK:
                    unacknowledged -= struct.unpack(">I", payload)[0]
                else:
                    yield received, payload

    async def receive(self) -> tuple[bytes, bytes]:
        """Return the agent's next frame; raise GuestCrashed or MachineLost when there will be none."""
        while not self._frames:
            try:
                data = await self._reader.read(READ_SIZE)
                self._frames.extend(self._decoder.feed(data))
            except frames.FrameError as failure:
                raise MachineLost(f"the channel to the guest is damaged: {failure}", self.last_words) from failure
            except OSError:
                data = b""
            if not data:
                raise await self._ending("QEMU ended")
        return self._frames.popleft()

    async def _ending(self, what: str) -> MachineEnded:
        """Tell how the machine ended, after its last output has come in."""
        with contextlib.suppress(TimeoutError):
            if self._console:
                await asyncio.wait_for(asyncio.shield(self._console), GOODBYE)
        reasons: list[str] = []
        while not self._shutdowns.empty():
            event: dict[str, Any] = dict(await self._shutdowns.get())
            reasons.append(str(event["data"]["reason"]))
        if any(reason == "guest-shutdown" for reason in reasons):
            return GuestCrashed("the guest switched its machine off", self.last_words)
        if any(str(reason).startswith("guest-") for reason in reasons):
            return GuestCrashed("the guest's kernel crashed", self.last_words)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._qemu.process.wait(), GOODBYE)
        status = self._qemu.process.returncode
        return MachineLost(f"{what}{_complaint(await self._stderr())}{_status(status)}", self.last_words)

    async def _stderr(self) -> str:
        stream = self._qemu.process.stderr
        with contextlib.suppress(TimeoutError):
            if stream:
                return (await asyncio.wait_for(stream.read(), GOODBYE)).decode(errors="replace").strip()
        return ""

    def hung(self, seconds: float) -> GuestHung:
        """Return the error for a command that was not done in time."""
        return GuestHung(
            f"the command was not done after {seconds:g} seconds; the machine was stopped", self.last_words
        )


def _complaint(stderr: str) -> str:
    return f": {stderr.splitlines()[-1]}" if stderr else ""


def _status(status: int | None) -> str:
    if status is None:
        return ""
    return f" (exit status {status})" if status >= 0 else f" (killed by signal {-status})"
