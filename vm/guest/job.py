"""One command in the guest: how it is started, fed, drained and waited for."""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import json
import os
import pty
import signal
import socket
import struct
import subprocess
import sys
import termios
import time
import traceback
from collections.abc import Callable
from typing import Any

from vm.guest import frames, held

HOME = "/root"


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
        self._held: socket.socket | None = None
        program, environment = request["argv"][0], {**os.environ, **request.get("env", {})}
        if request.get("hold"):
            self._held, theirs = held.channel()
            environment[held.VARIABLE] = str(theirs.detach())
        entry = warm.get(program)
        path = _find_program(program, environment) if entry is None else None
        if self._terminal:
            self._pid = self._fork_terminal()
        else:
            self._pid = self._with_pipes(lambda ends: _spawn(path, request, environment, ends))
        if self._pid == 0:
            _become(request, environment, entry)
        self.end = os.pidfd_open(self._pid)
        if self._held:
            os.close(int(environment[held.VARIABLE]))

    def stands_by(self) -> bool:
        """Wait until a held program has come to its point; False when it ended before that."""
        return self._held is not None and bool(self._held.recv(1))

    def go_on(self, request: dict[str, Any]) -> None:
        """Let a program that stands by do this job."""
        if self._held is not None:
            held.go_on(self._held, request)
            self._held = None

    def _fork_terminal(self) -> int:
        pid, master = pty.fork()
        if pid:
            self.outputs = {master: frames.STDOUT}
            self._stdin = master
        return pid

    def _with_pipes(self, start: Callable[[tuple[int, int, int]], int]) -> int:
        pipes = [os.pipe() for _ in range(3)]
        ends = (pipes[0][0], pipes[1][1], pipes[2][1])
        pid = start(ends)
        if pid == 0:
            return 0
        for end in ends:
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
        """Seconds the next wait may last; short when only time can end the job, or when it may take more input."""
        return 0.05 if self._ended or self._input or not self.outputs else 1.0

    def closed(self, descriptor: int) -> None:
        """Forget an output that reached its end."""
        del self.outputs[descriptor]
        os.close(descriptor)
        if self._stdin == descriptor:
            self._stdin = None


def prepare(request: dict[str, Any]) -> str | None:
    """Make the links and run the commands that have to be there before the job; return what went wrong."""
    for path, target in request.get("links", {}).items():
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
            os.symlink(target, path)  # noqa: PTH211
        except OSError as failure:
            return f"{path}: {failure.strerror}"
    for command in request.get("prepare", ()):
        try:
            done = subprocess.run(
                command,
                cwd=request.get("cwd", HOME),
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


def _spawn(path: str | None, request: dict[str, Any], environment: dict[str, str], ends: tuple[int, int, int]) -> int:
    """Start the command on its pipes; 0 means that this is the forked child, for a warm program.

    A fork copies the page tables of this big process, which under emulation is slow; posix_spawn(3) does not.
    """
    if path is not None:
        os.chdir(request.get("cwd", HOME))
        try:
            actions = [(os.POSIX_SPAWN_DUP2, end, target) for target, end in enumerate(ends)]
            defaults = [signal.SIGPIPE, signal.SIGINT]
            return os.posix_spawn(
                path, request["argv"], environment, file_actions=actions, setsid=True, setsigdef=defaults
            )
        finally:
            os.chdir(HOME)
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for target, end in enumerate(ends):
            os.dup2(end, target)
    return pid


def _find_program(program: str, environment: dict[str, str]) -> str:
    """Return the program's path, or raise the OSError an exec would meet while there is still somebody to tell."""
    candidates = (
        [program]
        if "/" in program
        else [f"{folder}/{program}" for folder in environment.get("PATH", os.defpath).split(":")]
    )
    for candidate in candidates:
        if os.access(candidate, os.X_OK) and not os.path.isdir(candidate):  # noqa: PTH112
            return candidate
    raise FileNotFoundError(2, "command not found in the guest")


def _become(request: dict[str, Any], environment: dict[str, str], entry: str | None) -> None:
    """Turn the forked child into the command; never returns."""
    status = 127
    try:
        os.chdir(request.get("cwd", HOME))
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
        return int(named_function(entry)(argv[1:]) or 0)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)


def named_function(entry: str) -> Callable[..., Any]:
    """Return what `module:function` names."""
    module, _, name = entry.partition(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
