"""Everything the tracer raises on purpose.

TracerError
├── CommandNotStarted      the command could not be executed; `status` is what a shell would exit with
├── InjectionMalformed     a fault to inject is not described in the right form; the text says how
├── Interrupted            the tracer was asked to end (SIGTERM, SIGHUP); `signal` says by what
├── KernelSideUnavailable  the kernel's side cannot be recorded here; the text says what is missing
├── MalformedClaims        a claims file or its document cannot be used; the text says where
├── MalformedRecord        a line of a trace is not a record; keeps the line number
├── NotAttached            a process cannot be traced; the text says why, and what helps
├── PtraceFailed           ptrace(2) refused; keeps request, errno and pid
├── UnknownArchitecture    there are no tables for this machine
└── UnknownCall            a name that is no system call of this architecture
"""

from __future__ import annotations

import errno as errno_table
import os


class TracerError(Exception):
    """Base of every error the tracer raises; its text is one line made for people."""


class CommandNotStarted(TracerError):
    """The command was not executed; `status` is 127 when it was not found, else 126, as in POSIX shells."""

    def __init__(self, command: str, errno: int) -> None:
        self.command = command
        self.errno = errno
        self.status = 127 if errno == errno_table.ENOENT else 126
        super().__init__(f"cannot execute '{command}': {os.strerror(errno)}")


class InjectionMalformed(TracerError):
    """What is to be injected was not said in strace's syntax."""

    def __init__(self, text: str, problem: str) -> None:
        self.text = text
        self.problem = problem
        super().__init__(f"cannot inject '{text}': {problem}")


class Interrupted(TracerError):
    """A signal asked the tracer to end; its tracees are gone when this is raised."""

    def __init__(self, signal: int) -> None:
        self.signal = signal
        super().__init__(f"ended by signal {signal}; the traced command was killed")


class KernelSideUnavailable(TracerError):
    """The kernel's side of a trace cannot be had: no root, no tracefs."""


class MalformedClaims(TracerError):
    """A claims file, or the document it belongs to, cannot be used; the text names file and table."""


class MalformedRecord(TracerError):
    """Line number `line` (from 1) of a trace is not a valid record."""

    def __init__(self, line: int, problem: str) -> None:
        self.line = line
        self.problem = problem
        super().__init__(f"line {line}: {problem}")


class NotAttached(TracerError):
    """A process cannot be traced: one that runs already or, with a `command`, the child that was to become that."""

    def __init__(self, pid: int, errno: int, reason: str, command: str = "") -> None:
        self.pid = pid
        self.errno = errno
        self.reason = reason
        what = f"trace '{command}'" if command else f"attach to process {pid}"
        super().__init__(f"cannot {what}: {reason}")


class PtraceFailed(TracerError):
    """The kernel refused a ptrace request for a reason other than a vanished tracee."""

    def __init__(self, request: str, errno: int, pid: int) -> None:
        self.request = request
        self.errno = errno
        self.pid = pid
        if request == "GET_SYSCALL_INFO" and errno == errno_table.EIO:  # what a kernel says to requests it has not got
            super().__init__("this kernel does not say what a stop at a system call is about; Linux 5.3 and later do")
        else:
            super().__init__(f"ptrace {request} of process {pid}: {os.strerror(errno)}{_hint(errno)}")


class UnknownArchitecture(TracerError):
    """No table of system calls for this machine."""


class UnknownCall(TracerError):
    """A name given for a filter is no system call here."""


def _hint(errno: int) -> str:
    if errno != errno_table.EPERM:
        return ""
    return " (another tracer holds it, or a container's seccomp profile or a security module forbids ptrace)"
