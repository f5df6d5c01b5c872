"""Small files of /proc and /sys as facts: what cannot be read is unknown, and the reason is kept."""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.kernel_facts.facts import Fact, unknown
from pyinsmod.lean import os, stat


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
