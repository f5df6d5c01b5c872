"""Start a command so that the tracer has hold of it before its first instruction."""

from __future__ import annotations

import errno as errno_table
import os
import stat

from pyinsmod.lean import TYPE_CHECKING, Mapping, Sequence, signals, suppress
from tracer.errors import CommandNotStarted, PtraceFailed
from tracer.ptrace import attach, binding, seccomp

if TYPE_CHECKING:
    from typing import NoReturn

#: What says that there is no such file.
_ABSENT = (errno_table.ENOENT, errno_table.ENOTDIR, errno_table.ELOOP)

#: A command ends with its tracer: without one, the calls that a seccomp filter reports would fail, and a pinned
#: process would stay pinned.
OPTIONS = attach.OPTIONS | binding.O_EXITKILL
# What a terminal, or whoever wants the command to end, sends.
_ENDING = (signals.SIGINT, signals.SIGQUIT, signals.SIGTERM, signals.SIGHUP)


class Child:
    """A seized process that waits, reading a pipe, for the word to execute its command."""

    def __init__(self, pid: int, command: str, go: int, failure: int) -> None:
        self.pid = pid
        self.command = command
        self.go = go
        self.failure = failure
        self.released = False

    def release(self) -> None:
        """Let the child execute its command; its calls stop from here on.

        A seized process runs until it is told to stop (ptrace(2)); interrupted first, the child cannot come
        back from its read before the event loop has seen that stop.
        """
        binding.ptrace(binding.INTERRUPT, self.pid)
        self.released = True
        with suppress(BrokenPipeError):  # killed by somebody: its end is the event loop's to report
            os.write(self.go, b"!")
        os.close(self.go)

    def check_started(self) -> None:
        """Raise `CommandNotStarted` when execve failed; call it once the child has ended or executed."""
        report = os.read(self.failure, 16)
        os.close(self.failure)
        if report:
            raise CommandNotStarted(self.command, int(report))

    def abandon(self) -> None:
        """Give the child up after an error: kill it if it still waits; released, it is the event loop's."""
        os.close(self.failure)
        if not self.released:
            os.close(self.go)
            os.kill(self.pid, signals.SIGKILL)
            os.waitpid(self.pid, binding.WALL)


def find_command(name: str, search_path: str) -> str:
    """Return the file execvp(3) would execute for `name`.

    Raises:
        CommandNotStarted: nothing of that name in `search_path`, or only what may not be executed.
    """
    if "/" in name:
        return name
    errno = errno_table.ENOENT
    for folder in search_path.split(":"):
        candidate = f"{folder or '.'}/{name}"
        try:
            found = stat.S_ISREG(os.stat(candidate).st_mode)  # noqa: PTH116  (pathlib is slow to import)
        except OSError as error:  # a folder that may not be searched, a name too long: execvp goes on, too
            errno = errno if error.errno in _ABSENT else error.errno or errno
            continue
        if found and os.access(candidate, os.X_OK):
            return candidate
        if found:
            errno = errno_table.EACCES
    raise CommandNotStarted(name, errno)


def start(
    command: Sequence[str], *, cwd: str | None, env: Mapping[str, str] | None, program: bytes | None = None
) -> Child:
    """Fork a child for `command` and seize it, so that it dies with this process whatever happens.

    `program` is a seccomp filter that it installs before it executes the command; this process must be
    permitted to.

    Raises:
        CommandNotStarted: the command is not to be found.
        NotAttached: this process may not trace.
    """
    path = find_command(command[0], (os.environ if env is None else env).get("PATH", os.defpath))
    go_read, go_write = os.pipe2(os.O_CLOEXEC)
    failure_read, failure_write = os.pipe2(os.O_CLOEXEC)
    # Until the child has made signals mean what they will mean to the command, none may reach it.
    blocked = signals.pthread_sigmask(signals.SIG_BLOCK, _ENDING)
    pid = os.fork()
    if pid == 0:
        _restore_signals()
        signals.pthread_sigmask(signals.SIG_SETMASK, blocked)
        os.close(go_write)
        _execute(path, command, cwd, env, program, go_read, failure_write)
    signals.pthread_sigmask(signals.SIG_SETMASK, blocked)
    os.close(go_read)
    os.close(failure_write)
    child = Child(pid, command[0], go_write, failure_read)
    try:
        binding.ptrace(binding.SEIZE, pid, 0, OPTIONS)
    except PtraceFailed as error:
        from tracer.ptrace.refusals import refusal_of_command

        refusal = refusal_of_command(pid, error.errno, command[0])  # found out while there is a child to look at
        child.abandon()
        raise refusal from error
    return child


def _restore_signals() -> None:
    """Make every signal mean to the child what it will mean to the command, also while it waits.

    Python ignores two of them, and a handler of ours would end the child with a status instead of by the signal.
    """
    for ignored_by_python in (signals.SIGPIPE, signals.SIGXFSZ):
        signals.signal(ignored_by_python, signals.SIG_DFL)
    for number in _ENDING:
        if callable(signals.getsignal(number)):
            signals.signal(number, signals.SIG_DFL)


def _execute(
    path: str,
    command: Sequence[str],
    cwd: str | None,
    env: Mapping[str, str] | None,
    program: bytes | None,
    go: int,
    failure: int,
) -> NoReturn:
    """In the child: wait for the word, then become the command; report the errno of what prevents it."""
    try:
        if not os.read(go, 1):
            os._exit(127)  # the tracer died
        if cwd is not None:
            os.chdir(cwd)
        if program is not None:
            seccomp.install(program)
        if env is None:
            os.execv(path, list(command))  # noqa: S606  (no shell is the point)
        os.execve(path, list(command), dict(env))  # noqa: S606
    except OSError as error:
        os.write(failure, str(error.errno).encode())
    finally:
        os._exit(127)
