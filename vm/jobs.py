"""What a machine is asked to do, and what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

JOB_SECONDS = 120.0
#: Is given frames.STDOUT or frames.STDERR and bytes, as they come.
Output = Callable[[bytes, bytes], None]


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
        keeps_output: stdout and stderr are wanted in the result; else they go to whoever gets them as they come.
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
    keeps_output: bool = True
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
