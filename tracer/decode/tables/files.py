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
    (0o4010000, "O_SYNC"),  # before the two bits that it is made of
    (0o4000000, "__O_SYNC"),
    (0o10000, "O_DSYNC"),
)
_OPEN_FLAGS_TAIL = (
    (0o1000000, "O_NOATIME"),
    (0o2000000, "O_CLOEXEC"),
    (0o10000000, "O_PATH"),
)

_OPEN_FLAGS_OF_ARM = (
    *_OPEN_FLAGS_HEAD,
    (0o200000, "O_DIRECT"),
    (0o400000, "O_LARGEFILE"),
    (0o100000, "O_NOFOLLOW"),
    *_OPEN_FLAGS_TAIL,
    (0o20040000, "O_TMPFILE"),
    (0o20000000, "__O_TMPFILE"),
    (0o40000, "O_DIRECTORY"),
    (0o20000, "FASYNC"),
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
            (0o20000000, "__O_TMPFILE"),
            (0o200000, "O_DIRECTORY"),
            (0o20000, "FASYNC"),
        ),
        "aarch64": _OPEN_FLAGS_OF_ARM,
        "arm": _OPEN_FLAGS_OF_ARM,
    }
)
