"""Values of the file calls. Order is the order of output."""

from __future__ import annotations

from types import MappingProxyType

AT_FDCWD = -100  # <linux/fcntl.h>

ACCESS_MODES = ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")
O_ACCMODE = 3
O_CREAT = 0o100
O_TMPFILE_BIT = 0o20000000

_OPEN_FLAGS_HEAD = (
    (0o100, "O_CREAT"),
    (0o200, "O_EXCL"),
    (0o400, "O_NOCTTY"),
    (0o1000, "O_TRUNC"),
    (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"),
    (0o4010000, "O_SYNC"),  # before O_DSYNC, which is one of its bits
    (0o10000, "O_DSYNC"),
    (0o20000, "O_ASYNC"),
)
_OPEN_FLAGS_TAIL = (
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
)

#: By architecture: arch/…/include/uapi/asm/fcntl.h moves four of them on arm.
OPEN_FLAGS = MappingProxyType(
    {
        "x86_64": (
            *_OPEN_FLAGS_HEAD,
            (0o40000, "O_DIRECT"),
            (0o100000, "O_LARGEFILE"),
            (0o400000, "O_NOFOLLOW"),
            *_OPEN_FLAGS_TAIL,
            (0o20200000, "O_TMPFILE"),
            (0o200000, "O_DIRECTORY"),
        ),
        "aarch64": (
            *_OPEN_FLAGS_HEAD,
            (0o200000, "O_DIRECT"),
            (0o400000, "O_LARGEFILE"),
            (0o100000, "O_NOFOLLOW"),
            *_OPEN_FLAGS_TAIL,
            (0o20040000, "O_TMPFILE"),
            (0o40000, "O_DIRECTORY"),
        ),
    }
)

AT_FLAGS = (
    (0x100, "AT_SYMLINK_NOFOLLOW"),
    (0x200, "AT_EACCESS"),
    (0x400, "AT_SYMLINK_FOLLOW"),
    (0x800, "AT_NO_AUTOMOUNT"),
    (0x1000, "AT_EMPTY_PATH"),
    (0x2000, "AT_STATX_FORCE_SYNC"),
    (0x4000, "AT_STATX_DONT_SYNC"),
    (0x8000, "AT_RECURSIVE"),
)

WHENCE = MappingProxyType({0: "SEEK_SET", 1: "SEEK_CUR", 2: "SEEK_END", 3: "SEEK_DATA", 4: "SEEK_HOLE"})
