"""Small files of /proc and /sys as facts: what cannot be read is unknown, and the reason is kept."""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.lean import TYPE_CHECKING, os, stat

if TYPE_CHECKING:
    from typing import BinaryIO

# What is read at once of a long file: reading more takes longer, as memory of that size is given back each time.
PIECE = 1 << 16
# Longer than a line of /proc/kallsyms is (KSYM_NAME_LEN is 512).
LONGEST_LINE = 1024


def read(path: str) -> Fact[bytes]:
    """Return all that stands in a file."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - see paths.py
            return Fact(file.read(), path)
    except OSError as error:
        return unknown(f"{path}: {error.strerror}")


def read_unpacked(path: str) -> Fact[bytes]:
    """Return all that stands in a file, unpacked when it is compressed."""
    from pyinsmod.compression import compression_of, decompress
    from pyinsmod.errors import MalformedModule

    raw = read(path)
    compression = compression_of(raw.value or b"")
    if compression is None:
        return raw
    try:
        return Fact(decompress(raw.value or b"", compression), raw.source)
    except MalformedModule as error:
        return unknown(f"{path}: {error}")


class ListFile:
    """A file of /proc that is made line by line while it is read: read no further than somebody asks.

    What stands before the part that is wanted is not kept: to get hold of memory for it takes as long as to read it.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._kept: list[bytes] = []

    def part(self, first: bytes, last: bytes) -> Fact[bytes]:
        """Return the lines from the one with `first` to that with `last`; nothing where `first` is in none.

        A `last` that lies across two reads is not seen, and more than was wanted is returned.
        """
        try:
            if not self._reads_to(first):
                self._close()  # at its end, and all of it is still to be had
                return Fact(b"", self._path)
            while last not in self._kept[-1] and (piece := self._opened().read(PIECE)):
                self._kept.append(piece)
        except OSError as error:
            return unknown(f"{self._path}: {error.strerror}")
        *pieces, ending = self._kept
        found = ending.find(last)
        end = len(ending) if found < 0 else ending.find(b"\n", found) + 1
        return Fact(b"".join((*pieces, ending[:end])), self._path)

    def _reads_to(self, first: bytes) -> bool:
        """Read as far as the line with `first`, and keep from there what was read; return whether there is one."""
        before = b""
        while piece := self._opened().read(PIECE):
            if first in piece or first in before + piece[:LONGEST_LINE]:
                together = before + piece
                self._kept.append(together[together.rfind(b"\n", 0, together.find(first)) + 1 :])
                return True
            before = piece[-LONGEST_LINE:]
        return False

    def rest(self) -> Fact[bytes]:
        """Return all that stands from `first` of `part` on, or simply all when there was no such part."""
        try:
            return Fact(b"".join((*self._kept, self._opened().read())), self._path)
        except OSError as error:
            return unknown(f"{self._path}: {error.strerror}")

    def _opened(self) -> BinaryIO:
        if self._file is None:
            self._file = open(self._path, "rb")  # noqa: PTH123, SIM115 - see paths.py; closed with this object
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    __del__ = _close


def read_line(path: str) -> Fact[str]:
    """Return the text of a file that holds one line, without the spaces around it."""
    raw = read(path)
    return Fact(None if raw.value is None else text(raw.value).strip(), raw.source)


def names_in(folder: str) -> Fact[frozenset[str]]:
    """Return the names in a folder."""
    try:
        return Fact(frozenset(os.listdir(folder)), folder)
    except OSError as error:
        return unknown(f"{folder}: {error.strerror}")


def is_folder(path: str) -> bool:
    """Tell whether there is a folder."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def exists(path: str) -> bool:
    """Tell whether there is something of that name, and not only a link to nothing."""
    return _mode(path) is not None


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None


def writers_of(path: str, proc: str = "/proc") -> tuple[str, ...]:
    """Return who has a file open for writing, as `PID (NAME)`, as far as this process may see: best effort.

    While there is one, `deny_write_access` makes the kernel answer ETXTBSY to finit_module. It looks at every
    descriptor of every process, so ask only when that happened.
    """
    try:
        wanted = os.stat(path)
        pids = [name for name in os.listdir(proc) if name.isdigit()]
    except OSError:
        return ()
    return tuple(
        f"{pid} ({read_line(f'{proc}/{pid}/comm').value or '?'})"
        for pid in pids
        if any(_writes(f"{proc}/{pid}", number, wanted) for number in names_in(f"{proc}/{pid}/fd").value or ())
    )


def _writes(process: str, descriptor: str, wanted: os.stat_result) -> bool:
    """Tell whether a descriptor is of this file and for writing, by the octal flags of its fdinfo (proc(5))."""
    try:
        found = os.stat(f"{process}/fd/{descriptor}")
    except OSError:
        return False
    if (found.st_dev, found.st_ino) != (wanted.st_dev, wanted.st_ino):
        return False
    flags = (read(f"{process}/fdinfo/{descriptor}").value or b"").partition(b"flags:")[2].split()
    return bool(flags) and int(flags[0], 8) & os.O_ACCMODE != os.O_RDONLY
