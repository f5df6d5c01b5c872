"""One open module file, opened and read by real system calls; the same descriptor goes to the kernel."""

from __future__ import annotations

import errno
import os
import stat

from pyinsmod import module_syscalls
from pyinsmod.compression import LARGEST
from pyinsmod.errors import SystemCallFailed, UnreadableModule
from pyinsmod.lean import NamedTuple

# What is no regular file, in words. finit_module(2) answers EINVAL for them all (`kernel_read_file`).
KINDS = {
    stat.S_IFDIR: "a folder, not a module file (pyinsmod check looks at every module below a folder)",
    stat.S_IFIFO: "a named pipe, not a module file",
    stat.S_IFSOCK: "a socket, not a module file",
    stat.S_IFCHR: "a device, not a module file",
    stat.S_IFBLK: "a device, not a module file",
}

READ_SIZE = 1 << 20


class ModuleFile(NamedTuple):
    """An open descriptor and all the bytes that were read from it."""

    path: str
    descriptor: int
    content: bytes


class opened_module:  # noqa: N801 - used like a function; contextlib takes longer to import than the file to read
    """Open a module, read all of it, and keep it open meanwhile.

    Raises:
        UnreadableModule: it is missing, no regular file, or cannot be opened or read.
    """

    def __init__(self, path: str) -> None:
        self._path = path

    def __enter__(self) -> ModuleFile:
        """Open and read."""
        _insist_on_regular(self._path)
        try:
            self._descriptor = module_syscalls.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except SystemCallFailed as failure:
            raise UnreadableModule("open", failure.errno, self._path) from failure
        try:
            return ModuleFile(self._path, self._descriptor, _read_all(self._descriptor, self._path))
        except BaseException:
            module_syscalls.close(self._descriptor)
            raise

    def __exit__(self, *_raised: object) -> None:
        """Close."""
        module_syscalls.close(self._descriptor)


def _insist_on_regular(path: str) -> None:
    """Look before opening: open(2) on a pipe waits for a writer, and on a device it may do things."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a path from the command line may be undecodable bytes
    except OSError as error:
        raise UnreadableModule("stat", error.errno or errno.EIO, path) from error
    except ValueError as error:
        raise UnreadableModule("stat", errno.EINVAL, path, "no file can have that name") from error
    if not stat.S_ISREG(mode):
        number = errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL
        raise UnreadableModule("stat", number, path, KINDS.get(stat.S_IFMT(mode), "not a regular file"))


def _read_all(descriptor: int, path: str) -> bytes:
    chunks = []
    size = 0
    expected = os.fstat(descriptor).st_size
    if expected > LARGEST:
        raise UnreadableModule(
            "read", errno.EFBIG, path, f"{expected} bytes are more than the kernel reads of any file"
        )
    try:
        # One byte more than expected: growth is noticed, and the end shows by a short read.
        while chunk := module_syscalls.read(descriptor, max(expected + 1 - size, READ_SIZE)):
            chunks.append(chunk)
            size += len(chunk)
            if size > LARGEST:
                raise UnreadableModule("read", errno.EFBIG, path)
    except SystemCallFailed as failure:
        raise UnreadableModule(failure.call, failure.errno, path) from failure
    return b"".join(chunks)
