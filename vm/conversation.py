"""The exchange of frames around one job: the host's half. A guest that does not keep to it is not trusted any further.

A hostile module has the guest's kernel, and so the channel: what comes is limited in size, and what makes no sense
ends the machine.
"""

from __future__ import annotations

import asyncio
import json
import os
import struct
import time
import zlib
from typing import Any

from vm.errors import MachineLost
from vm.guest import frames
from vm.jobs import Job, JobResult, Output
from vm.machine import Machine

#: Bytes of output, and of files as they are packed, that one job may give; and of a file unpacked.
LARGEST_ANSWER = 256 << 20
LARGEST_FILE = 1 << 30


class Conversation:
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
        self._received = 0

    async def hold(self, stdin: int | None, started: float) -> JobResult:
        """Have the job done; `stdin` is the descriptor its input comes from, `started` what `seconds` counts from.

        Raises:
            MachineLost: the guest says what makes no sense, or too much; and as `Machine.receive`.
        """
        try:
            return await self._hold(stdin, started)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error, zlib.error) as rubbish:
            words = self._machine.last_words
            raise MachineLost(f"what the guest says makes no sense: {type(rubbish).__name__}", words) from rubbish

    async def _hold(self, stdin: int | None, started: float) -> JobResult:
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
            files={path: self._unpacked(path, content) for path, content in self._files.items()},
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

    def _unpacked(self, path: str, content: bytearray) -> bytes:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(content, LARGEST_FILE)
        if unpacking.unconsumed_tail:
            raise self._too_much(f"{path} has more than {LARGEST_FILE >> 20} MiB")
        return data

    def _too_much(self, what: str) -> MachineLost:
        return MachineLost(f"the guest sends too much: {what}", self._machine.last_words)

    def _keep(self, kept: bytearray, payload: bytes) -> None:
        self._received += len(payload)
        if self._received > LARGEST_ANSWER:
            raise self._too_much(f"more than {LARGEST_ANSWER >> 20} MiB of output and files")
        kept += payload

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind in self._output:
            if self._job.keeps_output:
                self._keep(self._output[kind], payload)
            if self._on_output:
                self._on_output(kind, payload)
        elif kind == frames.ACK:
            self._unconsumed -= struct.unpack(">I", payload)[0]
            self._room.set()
        elif kind == frames.FILE:
            described = json.loads(payload)
            if described["path"] not in self._job.get:
                raise ValueError(described["path"])
            if "error" in described:
                self._missing[described["path"]] = described["error"]
            else:
                self._incoming = self._files[described["path"]] = bytearray()
        elif kind == frames.DATA:
            self._keep(self._incoming, payload)


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
