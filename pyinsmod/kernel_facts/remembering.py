"""Facts of the running kernel are written for the next program: what `remembered` reads."""

from __future__ import annotations

import marshal
from zlib import crc32

from pyinsmod.kernel_facts.remembered import BEHIND, CHECKSUM_SIZE, LONGEST_IN_HEAD, MAGIC, SIZE_SIZE, Plain
from pyinsmod.lean import Any, Callable, Iterable, Iterator, os


def write_in(folder: str, name: str, parts: Iterable[bytes | memoryview], opened: Callable[[], int]) -> None:
    """Write a file whole or not at all, for its owner alone; where that is not possible, nothing is kept.

    Args:
        folder: where; it is made if there is none.
        name: what it is called in there.
        parts: what is written.
        opened: opens the folder, or raises OSError when it is not to be trusted.
    """
    scratch = f"{name}.{os.getpid()}"
    try:
        _make_folder(folder)
        descriptor = opened()
    except OSError:
        return
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(scratch, flags, 0o600, dir_fd=descriptor), "wb") as file:  # noqa: PTH123 - a descriptor
            file.writelines(parts)
        os.rename(scratch, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
    except OSError:
        _remove(scratch, descriptor)
    finally:
        os.close(descriptor)


def packed(key: object, facts: Plain) -> Iterator[bytes | memoryview]:
    """Yield the parts of the file."""
    behind: list[bytes | memoryview] = []
    written: Any = (key, _without_long(facts, behind))
    head = marshal.dumps(written)
    yield MAGIC + crc32(head).to_bytes(CHECKSUM_SIZE, "little") + len(head).to_bytes(SIZE_SIZE, "little") + head
    yield from behind


def _without_long(value: Any, behind: list[bytes | memoryview]) -> Any:
    """Return a value with long bytes taken out of it, and add those to `behind`."""
    if isinstance(value, (bytes, memoryview)) and len(value) > LONGEST_IN_HEAD:
        behind.append(value)
        return BEHIND, sum(map(len, behind[:-1])), len(value)
    if isinstance(value, tuple):
        return tuple(_without_long(each, behind) for each in value)
    return {name: _without_long(each, behind) for name, each in value.items()} if isinstance(value, dict) else value


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        return


def _remove(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except OSError:
        return
