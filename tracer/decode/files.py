"""Calls that open, read, write and look at files. Argument names are those of the man pages."""

from __future__ import annotations

from typing import Any

from tracer.decode.tables import files as table
from tracer.decode.values import (
    Task,
    buffer,
    descriptor,
    directory,
    flags,
    pointer,
    signed32,
    signed64,
    text,
    unreadable,
)
from tracer.ptrace.tracee import RawArguments

Decoded = dict[str, Any]


def open_entry(task: Task, raw: RawArguments) -> Decoded:
    """open(pathname, flags, mode)."""
    return {"pathname": text(task, raw[0])} | _open_how(task, raw[1], raw[2])


def openat_entry(task: Task, raw: RawArguments) -> Decoded:
    """openat(dirfd, pathname, flags, mode)."""
    where = {"dirfd": directory(task, raw[0]), "pathname": text(task, raw[1])}
    return where | _open_how(task, raw[2], raw[3])


def openat2_entry(task: Task, raw: RawArguments) -> Decoded:
    """openat2(dirfd, pathname, how, size); `how` stays an address."""
    return {
        "dirfd": directory(task, raw[0]),
        "pathname": text(task, raw[1]),
        "how": pointer(raw[2]),
        "size": raw[3],
    }


def creat_entry(task: Task, raw: RawArguments) -> Decoded:
    """creat(pathname, mode)."""
    return {"pathname": text(task, raw[0]), "mode": _mode(raw[1])}


def read_entry(task: Task, raw: RawArguments) -> Decoded:
    """read(fd, buf, count): what was read is known at the exit."""
    return {"fd": descriptor(task, raw[0]), "buf": {"address": pointer(raw[1])}, "count": raw[2]}


def read_exit(task: Task, raw: RawArguments, result: int, decoded: Decoded) -> None:
    """read, pread64: the bytes that came."""
    decoded["buf"] = buffer(task, raw[1], result)


def pread64_entry(task: Task, raw: RawArguments) -> Decoded:
    """pread64(fd, buf, count, offset)."""
    return read_entry(task, raw) | {"offset": signed64(raw[3])}


def write_entry(task: Task, raw: RawArguments) -> Decoded:
    """write(fd, buf, count)."""
    return {"fd": descriptor(task, raw[0]), "buf": buffer(task, raw[1], raw[2]), "count": raw[2]}


def pwrite64_entry(task: Task, raw: RawArguments) -> Decoded:
    """pwrite64(fd, buf, count, offset)."""
    return write_entry(task, raw) | {"offset": signed64(raw[3])}


def writev_entry(task: Task, raw: RawArguments) -> Decoded:
    """writev(fd, iov, iovcnt): `iov` as a list of buffers; busybox and musl write their messages so."""
    count = signed32(raw[2])
    return {"fd": descriptor(task, raw[0]), "iov": _vector(task, raw[1], count), "iovcnt": count}


def close_entry(task: Task, raw: RawArguments) -> Decoded:
    """close(fd): the path must be read before the call."""
    return {"fd": descriptor(task, raw[0])}


def fstat_entry(task: Task, raw: RawArguments) -> Decoded:
    """fstat(fd, statbuf)."""
    return {"fd": descriptor(task, raw[0]), "statbuf": pointer(raw[1])}


def stat_entry(task: Task, raw: RawArguments) -> Decoded:
    """stat(pathname, statbuf), lstat."""
    return {"pathname": text(task, raw[0]), "statbuf": pointer(raw[1])}


def newfstatat_entry(task: Task, raw: RawArguments) -> Decoded:
    """newfstatat(dirfd, pathname, statbuf, flags)."""
    return {
        "dirfd": directory(task, raw[0]),
        "pathname": text(task, raw[1]),
        "statbuf": pointer(raw[2]),
        "flags": flags(raw[3] & 0xFFFFFFFF, table.AT_FLAGS),
    }


def statx_entry(task: Task, raw: RawArguments) -> Decoded:
    """statx(dirfd, pathname, flags, mask, statxbuf)."""
    return {
        "dirfd": directory(task, raw[0]),
        "pathname": text(task, raw[1]),
        "flags": flags(raw[2] & 0xFFFFFFFF, table.AT_FLAGS),
        "mask": hex(raw[3] & 0xFFFFFFFF),
        "statxbuf": pointer(raw[4]),
    }


def lseek_entry(task: Task, raw: RawArguments) -> Decoded:
    """lseek(fd, offset, whence)."""
    whence = raw[2] & 0xFFFFFFFF
    return {
        "fd": descriptor(task, raw[0]),
        "offset": signed64(raw[1]),
        "whence": table.WHENCE.get(whence, hex(whence)),
    }


def _open_how(task: Task, value: int, mode: int) -> Decoded:
    """Return flags, and the mode where the kernel looks at it (open(2)): O_CREAT or O_TMPFILE."""
    how: Decoded = {"flags": open_flags(value, task.arch)}
    if value & (table.O_CREAT | table.O_TMPFILE_BIT):
        how["mode"] = _mode(mode)
    return how


def open_flags(value: int, arch: str) -> list[str]:
    """Return the access mode, which is a number and not bits, then the flags of this architecture."""
    value &= 0xFFFFFFFF
    known = table.OPEN_FLAGS.get(arch, table.OPEN_FLAGS["x86_64"])
    return [table.ACCESS_MODES[value & table.O_ACCMODE], *flags(value & ~table.O_ACCMODE, known)]


def _mode(value: int) -> str:
    return f"0{value & 0xFFFF:03o}"


def _vector(task: Task, address: int, count: int) -> list[Any] | dict[str, Any] | None:
    """Return the buffers of a struct iovec array."""
    word = 4 if task.arch == "i386" else 8
    size = 2 * word
    length = size * max(0, min(count, 1024))  # UIO_MAXIOV: more is EINVAL
    data = task.read(address, length) if length else b""
    if len(data) < length:
        return unreadable(address)
    vector = []
    for start in range(0, length, size):
        base = int.from_bytes(data[start : start + word], "little")
        size_of_one = int.from_bytes(data[start + word : start + size], "little")
        vector.append(buffer(task, base, size_of_one))
    return vector
