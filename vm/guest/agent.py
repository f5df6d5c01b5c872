"""The guest's agent: receives files and one job over the serial line, runs it, sends everything back.

Started once by `init`, before the snapshot is taken, with the interpreter and the packages of the
configuration already imported: a job for a *warm* program is a fork of this process instead of a new
interpreter, which under emulation saves seconds. Every other job is an ordinary exec.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import importlib
import json
import os
import pty
import selectors
import signal
import struct
import subprocess
import sys
import termios
import time
import traceback
import tty
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vm.guest import frames

CHANNEL = "/dev/ttyS1"
CONFIGURATION = "/etc/vm-agent.json"
READ_SIZE = 64 * 1024


class Agent:
    """One agent serves one channel; jobs run one after the other."""

    def __init__(self, channel: int, warm: dict[str, str]) -> None:
        self._channel = channel
        self._warm = warm
        self._decoder = frames.Decoder()
        self._upload: tuple[int, int] | None = None  # descriptor and bytes still to come
        self._job: Job | None = None

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
        self._take(b"")

    def _take(self, data: bytes) -> None:
        if self._upload is None:
            return
        descriptor, remaining = self._upload
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        remaining -= len(data)
        self._upload = (descriptor, remaining) if remaining else None
        if not remaining:
            os.close(descriptor)
        if data:
            self.send(frames.encode(frames.ACK, struct.pack(">I", len(data))))

    def _run(self, request: dict[str, Any]) -> None:
        if "realtime" in request:  # a restored machine still has the snapshot's wall clock
            time.clock_settime(time.CLOCK_REALTIME, request["realtime"])
        failed = _prepare(request)
        if failed:
            self.send(frames.encode_json(frames.EXIT, {"error": failed}))
            return
        try:
            self._job = Job(request, self._warm)
        except OSError as failure:
            self.send(frames.encode_json(frames.EXIT, {"error": f"{request['argv'][0]}: {failure.strerror}"}))
            return
        status = self._follow(self._job)
        self._job = None
        for path in request.get("get", ()):
            self._send_file(path)
        self.send(frames.encode_json(frames.EXIT, {"status": status}))

    def _follow(self, job: Job) -> int:
        self.handle(b"")  # what came in one piece with the job's own frame
        with selectors.DefaultSelector() as selector:
            selector.register(self._channel, selectors.EVENT_READ, None)
            for descriptor, kind in job.outputs.items():
                selector.register(descriptor, selectors.EVENT_READ, kind)
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


class Job:
    """A running command: its process, its output descriptors, and its standard input."""

    def __init__(self, request: dict[str, Any], warm: dict[str, str]) -> None:
        self.outputs: dict[int, bytes] = {}
        self.status = -1
        self._grace_until: float | None = None
        self._ended = False
        self._stdin: int | None = None
        self._input = bytearray()
        self._input_ended = False
        self._terminal = bool(request.get("terminal"))
        program, environment = request["argv"][0], {**os.environ, **request.get("env", {})}
        entry = warm.get(program)
        if entry is None:
            _find_program(program, environment)
        self._pid = self._fork_terminal() if self._terminal else self._fork_pipes()
        if self._pid == 0:
            _become(request, environment, entry)

    def _fork_terminal(self) -> int:
        pid, master = pty.fork()
        if pid:
            self.outputs = {master: frames.STDOUT}
            self._stdin = master
        return pid

    def _fork_pipes(self) -> int:
        pipes = [os.pipe() for _ in range(3)]
        pid = os.fork()
        if pid == 0:
            os.setsid()
            ends = (pipes[0][0], pipes[1][1], pipes[2][1])
            for target, end in enumerate(ends):
                os.dup2(end, target)
            return 0
        for end in (pipes[0][0], pipes[1][1], pipes[2][1]):
            os.close(end)
        self._stdin = pipes[0][1]
        os.set_blocking(self._stdin, False)  # the agent must go on draining the command's output
        self.outputs = {pipes[1][0]: frames.STDOUT, pipes[2][0]: frames.STDERR}
        return pid

    def control(self, kind: bytes, payload: bytes) -> None:
        """Apply what the host sent while the job runs: input, end of input, or a new window size."""
        if kind == frames.WINSIZE and self._terminal and self._stdin is not None:
            size = json.loads(payload)
            fcntl.ioctl(self._stdin, termios.TIOCSWINSZ, struct.pack("4H", size["rows"], size["columns"], 0, 0))
        elif kind == frames.STDIN:
            self._input += payload
            self._input_ended = not payload

    def feed(self) -> int:
        """Give the command what it takes of its input without blocking; return the bytes disposed of."""
        consumed = 0
        if self._input:
            try:
                consumed = len(self._input) if self._stdin is None else os.write(self._stdin, self._input)
            except BlockingIOError:
                return 0
            except OSError:  # EPIPE, EIO: nobody reads any more
                consumed = len(self._input)
            del self._input[:consumed]
        if self._input_ended and not self._input and not self._terminal and self._stdin is not None:
            os.close(self._stdin)
            self._stdin = None
        return consumed

    def finished(self) -> bool:
        """Tell whether the process ended and its output is drained.

        A background process may keep the pipes open for ever, so after the command's own end the
        pipes get a short grace only.
        """
        if not self._ended:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            if pid:
                self._ended = True
                code = os.waitstatus_to_exitcode(status)
                self.status = code if code >= 0 else 128 - code
                self._grace_until = time.monotonic() + 0.3
        return self._ended and (not self.outputs or time.monotonic() > (self._grace_until or 0))

    def patience(self) -> float:
        """Seconds the next wait may last: while pipes are open, their end is the news to wait for."""
        return 0.05 if self._ended or self._input or not self.outputs else 1.0

    def closed(self, descriptor: int) -> None:
        """Forget an output that reached its end."""
        del self.outputs[descriptor]
        os.close(descriptor)
        if self._stdin == descriptor:
            self._stdin = None


def _prepare(request: dict[str, Any]) -> str | None:
    """Run the commands that have to succeed before the job; return what went wrong."""
    for command in request.get("prepare", ()):
        try:
            done = subprocess.run(
                command,
                cwd=request.get("cwd", "/root"),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
        except OSError as failure:
            return f"{command[0]}: {failure.strerror}"
        if done.returncode:
            words = done.stderr.decode(errors="backslashreplace").strip()
            return f"the preparation {command} ended with status {done.returncode}: {words}"
    return None


def _find_program(program: str, environment: dict[str, str]) -> None:
    """Raise the OSError an exec would meet, while there is still somebody to tell."""
    candidates = (
        [program]
        if "/" in program
        else [f"{folder}/{program}" for folder in environment.get("PATH", os.defpath).split(":")]
    )
    if not any(os.access(candidate, os.X_OK) for candidate in candidates):
        raise FileNotFoundError(2, "command not found in the guest")


def _become(request: dict[str, Any], environment: dict[str, str], entry: str | None) -> None:
    """Turn the forked child into the command; never returns."""
    status = 127
    try:
        os.chdir(request.get("cwd", "/root"))
        for number in (signal.SIGPIPE, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL if number == signal.SIGPIPE else signal.default_int_handler)
        if entry is None:
            os.execvpe(request["argv"][0], request["argv"], environment)  # noqa: S606
        os.environ.update(environment)
        status = _call(entry, request["argv"])
    except OSError as failure:
        print(f"{request['argv'][0]}: {failure.strerror}", file=sys.stderr)
    except BaseException:  # noqa: BLE001 - the child must never fall back into the agent's loop
        traceback.print_exc()
        status = 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _call(entry: str, argv: list[str]) -> int:
    sys.argv = list(argv)
    try:
        return int(_function(entry)(argv[1:]) or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def _function(entry: str) -> Callable[..., Any]:
    module, _, name = entry.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function


def main() -> None:
    """Import what the configuration names, say READY and serve."""
    os.environ.pop("PYTHONPATH", None)  # it found this file; commands get a clean environment
    with Path(CONFIGURATION).open() as file:
        configuration = json.load(file)
    channel = os.open(CHANNEL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    tty.setraw(channel)
    for name in configuration["preload"]:
        importlib.import_module(name)
    for entry in configuration["warm_up"]:
        _function(entry)()
    gc.collect()
    gc.freeze()
    agent = Agent(channel, configuration["warm"])
    agent.send(frames.encode_json(frames.READY, {"release": os.uname().release}))
    agent.serve()


if __name__ == "__main__":
    main()
