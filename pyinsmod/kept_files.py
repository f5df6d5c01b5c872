"""Files in the user's cache folder with plain values that took long to find out: this user's own, and whole.

What is wrong with such a file, be it that somebody else wrote it, is no error: then there is none. Nothing here is ever
waited for or said; a disk that is full keeps nothing.
"""

from __future__ import annotations

import marshal
import os
import stat
import zlib
from contextlib import contextmanager, suppress

from pyinsmod.lean import Any, Iterator

_MAGIC = b"pyinsmod kept\n"
_CHECKSUM = 4
# So many files, and bytes of them, stay; those not used for longest go first. A bigger one is not kept at all.
MOST, MOST_BYTES, LARGEST = 512, 256 << 20, 64 << 20
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS_WRITE = 0o022
_DAMAGED = (OSError, ValueError, EOFError, TypeError)


def read(folder: str, name: str, word: bytes) -> Any | None:
    """Return the value that was written by that name with that word; None if there is none that can be trusted."""
    try:
        with _own_folder(folder) as place:
            raw = _own_bytes(name, place)
        body = memoryview(raw)[len(_beginning(word, b"")) :]
        if raw[: len(raw) - len(body)] != _beginning(word, body):
            return None
        return marshal.loads(body)  # noqa: S302 - this user's own file, and its checksum is right
    except _DAMAGED:
        return None


def write(folder: str, name: str, word: bytes, value: object) -> None:
    """Replace what is kept by that name, whole or not at all; two who do so at once do not harm each other."""
    try:
        body = marshal.dumps(value)  # type: ignore[arg-type]  # the caller gives plain values
        if len(body) > LARGEST:
            return
        _make(folder)
        with _own_folder(folder) as place:
            _replace(name, _beginning(word, body) + body, place)
            _remove_oldest(place)
    except _DAMAGED:
        return


def _make(folder: str) -> None:
    """Make a folder, and those above it, for their owner alone (os.makedirs gives the mode to the last one only)."""
    above = os.path.dirname(folder)  # noqa: PTH120 - see paths.py
    if above and not os.path.isdir(above):  # noqa: PTH112
        _make(above)
    with suppress(FileExistsError):
        os.mkdir(folder, 0o700)  # noqa: PTH102


@contextmanager
def _own_folder(folder: str) -> Iterator[int]:
    """Open the folder; OSError for one that another user has made or can write to."""
    place = os.open(folder, _FOLDER)
    try:
        _insist_on_own(os.fstat(place))
        yield place
    finally:
        os.close(place)


def _insist_on_own(state: os.stat_result) -> None:
    if state.st_uid != os.geteuid() or state.st_mode & _OTHERS_WRITE:
        raise PermissionError


def _own_bytes(name: str, place: int) -> bytes:
    descriptor = os.open(name, _READ, dir_fd=place)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - it is open
        state = os.fstat(descriptor)
        _insist_on_own(state)
        if not stat.S_ISREG(state.st_mode) or state.st_size > LARGEST:
            raise ValueError(name)
        os.utime(descriptor)  # it is in use
        return file.read(LARGEST)


def _replace(name: str, content: bytes, place: int) -> None:
    scratch = f".{name}.{os.getpid()}"
    try:
        with open(os.open(scratch, _NEW, 0o600, dir_fd=place), "wb") as file:  # noqa: PTH123 - it is open
            file.write(content)
        os.replace(scratch, name, src_dir_fd=place, dst_dir_fd=place)
    except OSError:
        with suppress(OSError):
            os.unlink(scratch, dir_fd=place)
        raise


def _remove_oldest(place: int) -> None:
    """Leave the newest files, as many as are to stay; a scratch file that a killed process left is one of them."""
    ages = []
    for name in os.listdir(place):
        with suppress(OSError):
            state = os.stat(name, dir_fd=place, follow_symlinks=False)
            ages.append((state.st_mtime_ns, name, state.st_size))
    total = 0
    for number, (_, name, size) in enumerate(sorted(ages, reverse=True)):
        total += size
        if number >= MOST or total > MOST_BYTES:
            with suppress(OSError):
                os.unlink(name, dir_fd=place)


def _beginning(word: bytes, body: bytes | memoryview) -> bytes:
    return _MAGIC + word + zlib.crc32(body).to_bytes(_CHECKSUM, "little")
