"""The values all decoders share: numbers, flags, pointers, text, buffers, descriptors.

What each becomes in a record: a descriptor `{"value": 3, "path": "/…"}`, a buffer `{"length", "sha256",
"data"}`, a pointer `"0x7ff…"`, NULL `None`, a flag word a list of symbols, memory that cannot be read
`{"address": "0x…", "error": "EFAULT"}`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from pyinsmod.lean import TYPE_CHECKING, Any
from tracer.decode.tables.files import AT_FDCWD
from tracer.escapes import escaped
from tracer.ptrace import binding

if TYPE_CHECKING:
    import hashlib

_PAGE = os.sysconf("SC_PAGE_SIZE")
_PATH_MAX = 4096
_CHUNK = 1 << 20
_USUAL_TEXT = 256
#: Bytes that are shown of a buffer that cannot be read whole.
_START = 32
_SHA256_OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


class Task:
    """A stopped task as the decoders see it: its memory and descriptors."""

    __slots__ = ("arch", "data_limit", "interrupted", "pid")
    #: Whether buffers are shown with their hash.
    hashes = True

    def __init__(self, pid: int, arch: str, data_limit: int) -> None:
        self.pid = pid
        self.arch = arch
        self.data_limit = data_limit
        #: The call that restart_syscall will go on with.
        self.interrupted: str | None = None

    def read(self, address: int, length: int) -> bytes:
        """Return up to `length` bytes of its memory; fewer where it ends."""
        return binding.read_memory(self.pid, address, length)

    def link(self, name: str) -> str | None:
        """Return where a link below its /proc folder points; None when there is none, or the task is gone."""
        try:
            return escaped(os.readlink(f"/proc/{self.pid}/{name}".encode()))  # noqa: PTH115  (bytes)
        except OSError:
            return None

    def stack_pointer(self) -> int | None:
        """Return its stack pointer (proc(5), syscall); None when the kernel does not say."""
        try:
            with open(f"/proc/{self.pid}/syscall") as stream:  # noqa: PTH123
                return int(stream.read().split()[-2], 16)
        except (OSError, ValueError, IndexError):
            return None


class TaskForText(Task):
    """Saves what strace's text has no use for: a look into /proc for each descriptor, a hash of each buffer."""

    __slots__ = ()
    hashes = False

    def link(self, name: str) -> str | None:  # noqa: ARG002  (the parameter is the base's)
        """Return None, as for a descriptor that is open on nothing."""
        return None


def program(pid: int) -> tuple[str | None, list[str]]:
    """Return which file a task just executed, and argv as it has it (proc(5)): a script's has its interpreter."""
    path = Task(pid, "", 0).link("exe")
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as stream:  # noqa: PTH123  (per exec: a Path costs more)
            data = stream.read()
    except OSError:
        data = b""
    return path, [escaped(argument) for argument in data.removesuffix(b"\0").split(b"\0")] if data else []


def signed32(value: int) -> int:
    """Return a register as the C int the kernel makes of it."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


def signed64(value: int) -> int:
    """Return a register as a C long."""
    return value - (1 << 64) if value & (1 << 63) else value


def flags(value: int, table: Iterable[tuple[int, str]]) -> list[str]:
    """Return the symbols of the set bits, in the table's order; bits it does not know last, in hex."""
    symbols = []
    for bits, symbol in table:
        if value & bits == bits:
            symbols.append(symbol)
            value &= ~bits
    if value:
        symbols.append(hex(value))
    return symbols


def pointer(address: int) -> str | None:
    """Return an address in hex, NULL as None."""
    return hex(address) if address else None


def unreadable(address: int) -> dict[str, Any] | None:
    """Return what stands for memory that cannot be read; NULL as None."""
    return {"address": hex(address), "error": "EFAULT"} if address else None


def descriptor(task: Task, value: int) -> dict[str, Any]:
    """Return a descriptor with what it is open on; `path` is None for one that is not open."""
    number = signed32(value)
    return {"value": number, "path": task.link(f"fd/{number}") if number >= 0 else None}


def directory(task: Task, value: int) -> dict[str, Any] | str:
    """Return the folder a relative path starts from: a descriptor, or the symbol AT_FDCWD."""
    return "AT_FDCWD" if signed32(value) == AT_FDCWD else descriptor(task, value)


def text(task: Task, address: int, limit: int = _PATH_MAX) -> str | dict[str, Any] | None:
    """Return the string at `address`; one without an end within `limit` bytes is marked as truncated."""
    short = binding.read_text(task.pid, address) if limit >= _USUAL_TEXT else None
    if short is not None:
        return escaped(short)
    data = _terminated(task, address, limit)
    if data is None:
        return unreadable(address)
    if len(data) == limit:
        return {"address": hex(address), "data": escaped(data), "truncated": True}
    return escaped(data)


def text_list(task: Task, address: int, word: int = 8, limit: int = 4096) -> list[Any] | dict[str, Any] | None:
    """Return the strings of a NULL-terminated array of pointers of `word` bytes, such as argv."""
    addresses = _pointers(task, address, word, limit)
    if addresses is None:
        return unreadable(address)
    return [text(task, each, _CHUNK) for each in addresses]


def count_list(task: Task, address: int, word: int = 8, limit: int = 65536) -> dict[str, Any] | None:
    """Return address and length of a NULL-terminated array of pointers, without what they point to."""
    addresses = _pointers(task, address, word, limit)
    if addresses is None:
        return unreadable(address)
    return {"address": hex(address), "count": len(addresses)}


def buffer(task: Task, address: int, length: int, *, with_data: bool = True) -> dict[str, Any] | None:
    """Return length and hash of a buffer and, up to the task's limit, its bytes as text."""
    if length == 0:
        if not address:
            return None
        empty: dict[str, Any] = {"length": 0}
        if task.hashes:
            empty["sha256"] = _SHA256_OF_NOTHING
        return {**empty, "data": ""} if with_data else {"address": hex(address), **empty}
    digest = _sha256() if task.hashes else None
    first = b""
    seen = 0
    for chunk in _chunks(task, address, length):
        first = first or chunk[: task.data_limit]
        if digest is not None:
            digest.update(chunk)
        seen += len(chunk)
    if seen < length:
        return _unreadable_after(address, first)
    result: dict[str, Any] = {"length": length}
    if digest is not None:
        result["sha256"] = digest.hexdigest()
    if with_data:
        result["data"] = escaped(first)
        if len(first) < length:
            result["truncated"] = True
    else:
        result = {"address": hex(address), **result}
    return result


def _sha256() -> hashlib._Hash:
    import hashlib

    return hashlib.sha256()


def _unreadable_after(address: int, first: bytes) -> dict[str, Any] | None:
    """Return what stands for a buffer that ends in unreadable memory: with its start, if that is worth a look."""
    found = unreadable(address)
    if found is not None and len(first) > _START:
        found["start"] = escaped(first[: _START + 1])
    return found


def _chunks(task: Task, address: int, length: int) -> Iterator[bytes]:
    while length > 0:
        chunk = task.read(address, min(length, _CHUNK))
        if not chunk:
            return
        yield chunk
        address += len(chunk)
        length -= len(chunk)


def _terminated(task: Task, address: int, limit: int) -> bytes | None:
    """Return the bytes before the NUL, page by page: the page after the string may not exist."""
    data = b""
    step = _USUAL_TEXT
    while len(data) < limit:
        here = address + len(data)
        chunk = task.read(here, min(_PAGE - here % _PAGE, limit - len(data), step))
        step = _PAGE
        if not chunk:
            return None
        end = chunk.find(b"\0")
        if end >= 0:
            return data + chunk[:end]
        data += chunk
    return data


def _pointers(task: Task, address: int, size: int, limit: int) -> list[int] | None:
    addresses: list[int] = []
    while len(addresses) < limit:
        here = address + len(addresses) * size
        chunk = task.read(here, max(_PAGE - here % _PAGE, size))
        if len(chunk) < size:
            return None
        for start in range(0, len(chunk) - size + 1, size):
            value = int.from_bytes(chunk[start : start + size], "little")
            if not value:
                return addresses
            addresses.append(value)
    return addresses
