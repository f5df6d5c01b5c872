"""Everything this library raises on purpose.

PyinsmodError
├── UsageError        what was asked for makes no sense (exit status 2)
├── UnreadableModule  the module file cannot be opened or read; keeps call, errno and path
├── MalformedModule   the file is not a module this library can read facts from
└── SystemCallFailed  a system call of the loader failed; keeps call and errno
"""

from __future__ import annotations

import errno as errno_table

from pyinsmod.lean import os

# How a name without a letter is shown, as a shell would want it.
EMPTY = "''"


class PyinsmodError(Exception):
    """Base of every error the library raises; its text is one line made for people."""


class UsageError(PyinsmodError):
    """The arguments make no sense; the text says what to write instead."""


class MalformedModule(PyinsmodError):
    """The bytes are no module that facts could be read from."""


class SystemCallFailed(PyinsmodError):
    """A system call failed: `call` is its man-page name, `errno` the kernel's number."""

    def __init__(self, call: str, errno: int, subject: str = "") -> None:
        self.call = call
        self.errno = errno
        self.subject = subject
        where = f" {subject}" if subject else ""
        super().__init__(f"{call}{where}: {os.strerror(errno)} ({errno_name(errno)})")


class UnreadableModule(SystemCallFailed):
    """The module file could not be opened or read; `reason` says why in words."""

    def __init__(self, call: str, errno: int, subject: str, reason: str = "") -> None:
        super().__init__(call, errno, subject)
        self.reason = reason or os.strerror(errno).lower()

    def __str__(self) -> str:
        """Return the reason with the path before it."""
        return f"{self.subject or EMPTY}: {self.reason}"


# Where a number has two names, Python gives one and the kernel and its manual pages use the other.
_KERNEL_NAMES = {errno_table.EOPNOTSUPP: "EOPNOTSUPP", errno_table.EAGAIN: "EAGAIN", errno_table.EDEADLK: "EDEADLK"}


def errno_name(errno: int) -> str:
    """Return the symbol of an errno, such as `ENOEXEC`; an unknown number as `errno NNN`."""
    return _KERNEL_NAMES.get(errno) or errno_table.errorcode.get(errno, f"errno {errno}")
