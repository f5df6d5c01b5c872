"""The guest's agent: receives files and one job over the serial line, runs it, sends everything back.

Started once by `init`, before the snapshot is taken, with the interpreter and the packages of the
configuration already imported: a job for a *warm* program is a fork of this process instead of a new
interpreter, which under emulation saves seconds. Every other job is an ordinary exec.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import importlib
import json
import os
import selectors
import struct
import time
import tty
import zlib
from pathlib import Path
from typing import Any

from vm.guest import frames
from vm.guest.job import Job, named_function, prepare

CONFIGURATION = "/etc/vm-agent.json"
READ_SIZE = 64 * 1024
ENDED = b""  # the selector's word for the end of the command's process


class Agent:
    """One agent serves one channel; jobs run one after the other."""

    def __init__(self, channel: int, warm: dict[str, str]) -> None:
        self._channel = channel
        self._warm = warm
        self._decoder = frames.Decoder()
        self._upload: tuple[int, int] | None = None  # descriptor and packed bytes still to come
        self._unpacker = zlib.decompressobj()
        self._job: Job | None = None
        self._held: Job | None = None

    def send(self, frame: bytes) -> None:
        """Write one frame whole; the line blocks while the host is not reading."""
        view = memoryview(frame)
        while view:
            view = view[os.write(self._channel, view) :]

    def serve(self) -> None:
        """Handle frames until the channel ends, which it does only with the machine."""
        while True:
            data = os.read(self._channel, READ_SIZE)
            self.handle(data)

    def handle(self, data: bytes) -> None:
        """Act on everything the host sent."""
        for kind, payload in self._decoder.feed(data):
            if kind == frames.PUT:
                self._begin_upload(json.loads(payload))
            elif kind == frames.DATA:
                self._take(payload)
            elif kind == frames.RUN:
                self._run(json.loads(payload))
            elif self._job is not None:
                self._job.control(kind, payload)

    def _begin_upload(self, file: dict[str, Any]) -> None:
        path = Path(file["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.fchmod(descriptor, file["mode"])
        self._upload = (descriptor, file["size"])
        self._unpacker = zlib.decompressobj()

    def _take(self, data: bytes) -> None:
        if self._upload is None:
            return
        descriptor, remaining = self._upload
        view = memoryview(self._unpacker.decompress(data))
        while view:
            view = view[os.write(descriptor, view) :]
        remaining -= len(data)
        self._upload = (descriptor, remaining) if remaining else None
        if not remaining:
            os.close(descriptor)
        self.send(frames.encode(frames.ACK, struct.pack(">I", len(data))))

    def _run(self, request: dict[str, Any]) -> None:
        if "realtime" in request:  # a restored machine still has the snapshot's wall clock
            # The kernel takes no time before its own start for one (timekeeping: EINVAL), and the host's may be 1970.
            with contextlib.suppress(OSError):
                time.clock_settime(time.CLOCK_REALTIME, request["realtime"])
        failed = prepare(request)
        if failed:
            self.send(frames.encode_json(frames.EXIT, {"error": failed}))
            return
        try:
            self._job = self._started(request)
        except OSError as failure:
            self.send(frames.encode_json(frames.EXIT, {"error": f"{request['argv'][0]}: {failure.strerror}"}))
            return
        if request.get("hold") and self._job.stands_by():
            self._held, self._job = self._job, None
            self.send(frames.encode(frames.STANDS_BY))
            return
        status = self._follow(self._job)
        self._job = None
        for path in request.get("get", ()):
            self._send_file(path)
        self.send(frames.encode_json(frames.EXIT, {"status": status}))

    def _started(self, request: dict[str, Any]) -> Job:
        """Return a new job, or the one that stands by for this."""
        if not request.get("go_on"):
            return Job(request, self._warm)
        job, self._held = self._held, None
        if job is None:
            raise ProcessLookupError(errno.ESRCH, "nothing stands by in this machine")
        job.go_on(request)
        return job

    def _follow(self, job: Job) -> int:
        self.handle(b"")  # what came in one piece with the job's own frame
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ, None)
            for descriptor, kind in job.outputs.items():
                selector.register(descriptor, selectors.EVENT_READ, kind)
            selector.register(job.end, selectors.EVENT_READ, ENDED)
            while not job.finished():
                for key, _ in selector.select(timeout=job.patience()):
                    self._pass_on(job, selector, key)
                if consumed := job.feed():
                    self.send(frames.encode(frames.ACK, struct.pack(">I", consumed)))
        return job.status

    def _pass_on(self, job: Job, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
        if key.data is None:
            self.handle(os.read(self._channel, READ_SIZE))
            return
        if key.data == ENDED:
            selector.unregister(key.fd)
            os.close(key.fd)
            return
        try:
            data = os.read(key.fd, READ_SIZE)
        except OSError:  # EIO: the last process closed the pseudo-terminal
            data = b""
        if data:
            self.send(frames.encode(key.data, data))
        else:
            selector.unregister(key.fd)
            job.closed(key.fd)

    def _send_file(self, path: str) -> None:
        try:
            content = Path(path).read_bytes()
        except OSError as failure:
            self.send(frames.encode_json(frames.FILE, {"path": path, "error": failure.strerror}))
            return
        self.send(frames.encode_json(frames.FILE, {"path": path, "size": len(content)}))
        content = zlib.compress(content, 1)  # the line is slow, and what is fetched is mostly text
        for start in range(0, len(content), frames.CHUNK):
            self.send(frames.encode(frames.DATA, content[start : start + frames.CHUNK]))


def main() -> None:
    """Import what the configuration names, say READY and serve."""
    os.environ.pop("PYTHONPATH", None)  # it found this file; commands get a clean environment
    with Path(CONFIGURATION).open() as file:
        configuration = json.load(file)
    channel = os.open(configuration["channel"], os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(channel)
    for name in configuration["preload"]:
        importlib.import_module(name)
    for entry in configuration["warm_up"]:
        named_function(entry)()
    gc.collect()
    gc.freeze()
    agent = Agent(channel, configuration["warm"])
    agent.send(frames.encode_json(frames.READY, {"release": os.uname().release}))
    agent.serve()


if __name__ == "__main__":
    main()
