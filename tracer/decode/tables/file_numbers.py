"""Numbers that stand for one thing each in the file calls: <linux/fcntl.h>, <linux/fs.h>, <linux/eventpoll.h>."""

from __future__ import annotations

from types import MappingProxyType

WHENCE = MappingProxyType(
    {
        0: "SEEK_SET",
        1: "SEEK_CUR",
        2: "SEEK_END",
        3: "SEEK_DATA",
        4: "SEEK_HOLE",
    }
)

FCNTL_COMMANDS = MappingProxyType(
    {
        0: "F_DUPFD",
        1: "F_GETFD",
        2: "F_SETFD",
        3: "F_GETFL",
        4: "F_SETFL",
        5: "F_GETLK",
        6: "F_SETLK",
        7: "F_SETLKW",
        8: "F_SETOWN",
        9: "F_GETOWN",
        10: "F_SETSIG",
        11: "F_GETSIG",
        12: "F_GETLK64",
        13: "F_SETLK64",
        14: "F_SETLKW64",
        15: "F_SETOWN_EX",
        16: "F_GETOWN_EX",
        36: "F_OFD_GETLK",
        37: "F_OFD_SETLK",
        38: "F_OFD_SETLKW",
        1024: "F_SETLEASE",
        1025: "F_GETLEASE",
        1026: "F_NOTIFY",
        1030: "F_DUPFD_CLOEXEC",
        1031: "F_SETPIPE_SZ",
        1032: "F_GETPIPE_SZ",
        1033: "F_ADD_SEALS",
        1034: "F_GET_SEALS",
    }
)

LOCK_TYPES = MappingProxyType(
    {
        0: "F_RDLCK",
        1: "F_WRLCK",
        2: "F_UNLCK",
        4: "F_EXLCK",
        8: "F_SHLCK",
    }
)

OWNER_TYPES = MappingProxyType(
    {
        0: "F_OWNER_TID",
        1: "F_OWNER_PID",
        2: "F_OWNER_PGRP",
    }
)

ADVICE = MappingProxyType(
    {
        0: "POSIX_FADV_NORMAL",
        1: "POSIX_FADV_RANDOM",
        2: "POSIX_FADV_SEQUENTIAL",
        3: "POSIX_FADV_WILLNEED",
        4: "POSIX_FADV_DONTNEED",
        5: "POSIX_FADV_NOREUSE",
    }
)

EPOLL_OPERATIONS = MappingProxyType(
    {
        1: "EPOLL_CTL_ADD",
        2: "EPOLL_CTL_DEL",
        3: "EPOLL_CTL_MOD",
    }
)

FILE_TYPES = MappingProxyType(
    {
        0x8000: "S_IFREG",
        0xC000: "S_IFSOCK",
        0x1000: "S_IFIFO",
        0xA000: "S_IFLNK",
        0x4000: "S_IFDIR",
        0x6000: "S_IFBLK",
        0x2000: "S_IFCHR",
    }
)

DIRECTORY_ENTRY_TYPES = MappingProxyType(
    {
        0: "DT_UNKNOWN",
        1: "DT_FIFO",
        2: "DT_CHR",
        4: "DT_DIR",
        6: "DT_BLK",
        8: "DT_REG",
        10: "DT_LNK",
        12: "DT_SOCK",
        14: "DT_WHT",
    }
)
