"""Calls on open files, and those that make descriptors of other things."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.buffers import RECEIVED, VECTOR_RECEIVED, VECTOR_SENT, sent
from tracer.decode.kinds.descriptors import FD, FD_PAIR
from tracer.decode.kinds.directory_entries import ENTRIES
from tracer.decode.kinds.fcntl import FCNTL
from tracer.decode.kinds.ioctl import IOCTL
from tracer.decode.kinds.mapping import MEMFD_FLAGS
from tracer.decode.kinds.numbers import INT, INT64, LONG, OFFSET_IN, OFFSET_IN_OUT, SIZE, UINT
from tracer.decode.kinds.opening import DESCRIPTOR_FLAGS
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.kinds.texts import FILLED_PATH_WITH_NUL, STRING
from tracer.decode.signature import Signature, call
from tracer.decode.tables import file_flags as table
from tracer.decode.tables import file_numbers as number

_READ_WRITE_FLAGS = flags(table.READ_WRITE_FLAGS, "RWF_???")
_SPLICE_FLAGS = flags(table.SPLICE_FLAGS, "SPLICE_F_???")
_fd = call(("fd", FD))
_read_vector = (("fd", FD), ("iov", VECTOR_RECEIVED), ("iovcnt", SIZE))
_write_vector = (("fd", FD), ("iov", VECTOR_SENT), ("iovcnt", SIZE))

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "read": call(("fd", FD), ("buf", RECEIVED), ("count", SIZE)),
        "pread64": call(("fd", FD), ("buf", RECEIVED), ("count", SIZE), ("offset", INT64)),
        "write": call(("fd", FD), ("buf", sent(2)), ("count", SIZE)),
        "pwrite64": call(("fd", FD), ("buf", sent(2)), ("count", SIZE), ("offset", INT64)),
        "readv": call(*_read_vector),
        "writev": call(*_write_vector),
        "preadv": call(*_read_vector, ("offset", INT64)),
        "pwritev": call(*_write_vector, ("offset", INT64)),
        "preadv2": call(*_read_vector, ("offset", INT64), ("flags", _READ_WRITE_FLAGS, 5)),
        "pwritev2": call(*_write_vector, ("offset", INT64), ("flags", _READ_WRITE_FLAGS, 5)),
        "close": _fd,
        "close_range": call(("first", FD), ("last", FD), ("flags", flags(table.CLOSE_RANGE_FLAGS, "CLOSE_RANGE_???"))),
        "lseek": call(("fd", FD), ("offset", LONG), ("whence", enum(number.WHENCE, "SEEK_???"))),
        "ftruncate": call(("fd", FD), ("length", SIZE)),
        "fallocate": call(
            ("fd", FD), ("mode", flags(table.FALLOCATE_FLAGS, "FALLOC_FL_???")), ("offset", INT64), ("len", INT64)
        ),
        "fadvise64": call(
            ("fd", FD), ("offset", INT64), ("len", SIZE), ("advice", enum(number.ADVICE, "POSIX_FADV_???"))
        ),
        "readahead": call(("fd", FD), ("offset", INT64), ("count", SIZE)),
        "fsync": _fd,
        "fdatasync": _fd,
        "sync_file_range": call(
            ("fd", FD),
            ("offset", INT64),
            ("nbytes", INT64),
            ("flags", flags(table.SYNC_FILE_RANGE_FLAGS, "SYNC_FILE_RANGE_???")),
        ),
        "flock": call(("fd", FD), ("operation", flags(table.FLOCK_OPERATIONS, "LOCK_???"))),
        "dup": call(("oldfd", FD), returns=DESCRIPTOR),
        "dup2": call(("oldfd", FD), ("newfd", FD), returns=DESCRIPTOR),
        "dup3": call(("oldfd", FD), ("newfd", FD), ("flags", DESCRIPTOR_FLAGS), returns=DESCRIPTOR),
        "fcntl": FCNTL,
        "ioctl": IOCTL,
        "pipe": call(("pipefd", FD_PAIR)),
        "pipe2": call(("pipefd", FD_PAIR), ("flags", DESCRIPTOR_FLAGS)),
        "getdents64": call(("fd", FD), ("dirp", ENTRIES), ("count", UINT)),
        "getcwd": call(("buf", FILLED_PATH_WITH_NUL), ("size", SIZE)),
        "copy_file_range": call(
            ("fd_in", FD),
            ("off_in", OFFSET_IN),
            ("fd_out", FD),
            ("off_out", OFFSET_IN),
            ("len", SIZE),
            ("flags", UINT),
        ),
        "sendfile": call(("out_fd", FD), ("in_fd", FD), ("offset", OFFSET_IN_OUT), ("count", SIZE)),
        "splice": call(
            ("fd_in", FD),
            ("off_in", OFFSET_IN),
            ("fd_out", FD),
            ("off_out", OFFSET_IN),
            ("len", SIZE),
            ("flags", _SPLICE_FLAGS),
        ),
        "tee": call(("fd_in", FD), ("fd_out", FD), ("len", SIZE), ("flags", _SPLICE_FLAGS)),
        "vmsplice": call(("fd", FD), ("iov", VECTOR_SENT), ("nr_segs", SIZE), ("flags", _SPLICE_FLAGS)),
        "memfd_create": call(("name", STRING), ("flags", MEMFD_FLAGS), returns=DESCRIPTOR),
        "eventfd": call(("initval", UINT), returns=DESCRIPTOR),
        "eventfd2": call(("initval", UINT), ("flags", flags(table.EVENTFD_FLAGS, "EFD_???")), returns=DESCRIPTOR),
        "inotify_init": call(returns=DESCRIPTOR),
        "inotify_init1": call(("flags", flags(table.INOTIFY_INIT_FLAGS, "IN_???")), returns=DESCRIPTOR),
        "inotify_rm_watch": call(("fd", FD), ("wd", INT)),
    }
)
