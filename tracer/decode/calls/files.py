"""Calls that find, open, look at and change files by their names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.descriptors import DIRFD, FD
from tracer.decode.kinds.file_status import DEVICE, MODE_WITH_TYPE, STAT, STATFS, STATX, STATX_FLAGS, STATX_MASK
from tracer.decode.kinds.numbers import MODE, SIZE, USER
from tracer.decode.kinds.opening import CREATING, OPEN_FLAGS, OPEN_HOW
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.symbols import flags
from tracer.decode.kinds.texts import FILLED_PATH, PATH, STRING
from tracer.decode.kinds.times import FILE_TIMES, FILE_TIMES_MICRO
from tracer.decode.kinds.xattr import VALUE, XATTR_LIST, XATTR_VALUE
from tracer.decode.signature import Signature, call
from tracer.decode.tables import file_flags as table

_AT_FLAGS = flags(table.AT_FLAGS, "AT_???")
_ACCESS = flags(table.ACCESS_BITS, "?_OK")
_XATTR_FLAGS = flags(table.XATTR_FLAGS, "XATTR_???")
_path_and_status = call(("pathname", PATH), ("statbuf", STAT))
_path_and_mode = call(("pathname", PATH), ("mode", MODE))
_two_paths = call(("oldpath", PATH), ("newpath", PATH))
_one_path = call(("pathname", PATH))
_path_and_owner = call(("pathname", PATH), ("owner", USER), ("group", USER))
_set_xattr = (("name", STRING), ("value", VALUE), ("size", SIZE), ("flags", _XATTR_FLAGS))
_get_xattr = (("name", STRING), ("value", XATTR_VALUE), ("size", SIZE))


def _is_device(mode: int) -> bool:
    return mode & 0o170000 in {0o020000, 0o060000}


CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "open": call(
            ("pathname", PATH),
            ("flags", OPEN_FLAGS),
            ("mode", MODE, 2, lambda raw: raw[1] & CREATING),
            returns=DESCRIPTOR,
        ),
        "openat": call(
            ("dirfd", DIRFD),
            ("pathname", PATH),
            ("flags", OPEN_FLAGS),
            ("mode", MODE, 3, lambda raw: raw[2] & CREATING),
            returns=DESCRIPTOR,
        ),
        "openat2": call(("dirfd", DIRFD), ("pathname", PATH), ("how", OPEN_HOW), ("size", SIZE), returns=DESCRIPTOR),
        "creat": call(("pathname", PATH), ("mode", MODE), returns=DESCRIPTOR),
        "stat": _path_and_status,
        "lstat": _path_and_status,
        "fstat": call(("fd", FD), ("statbuf", STAT)),
        "newfstatat": call(("dirfd", DIRFD), ("pathname", PATH), ("statbuf", STAT), ("flags", _AT_FLAGS)),
        "statx": call(
            ("dirfd", DIRFD), ("pathname", PATH), ("flags", STATX_FLAGS), ("mask", STATX_MASK), ("statxbuf", STATX)
        ),
        "statfs": call(("pathname", PATH), ("buf", STATFS)),
        "fstatfs": call(("fd", FD), ("buf", STATFS)),
        "access": call(("pathname", PATH), ("mode", _ACCESS)),
        "faccessat": call(("dirfd", DIRFD), ("pathname", PATH), ("mode", _ACCESS)),
        "faccessat2": call(
            ("dirfd", DIRFD),
            ("pathname", PATH),
            ("mode", _ACCESS),
            ("flags", flags(table.FACCESSAT_FLAGS, "AT_???")),
        ),
        "readlink": call(("pathname", PATH), ("buf", FILLED_PATH), ("bufsiz", SIZE)),
        "readlinkat": call(("dirfd", DIRFD), ("pathname", PATH), ("buf", FILLED_PATH), ("bufsiz", SIZE)),
        "rename": _two_paths,
        "renameat": call(("olddirfd", DIRFD), ("oldpath", PATH), ("newdirfd", DIRFD), ("newpath", PATH)),
        "renameat2": call(
            ("olddirfd", DIRFD),
            ("oldpath", PATH),
            ("newdirfd", DIRFD),
            ("newpath", PATH),
            ("flags", flags(table.RENAME_FLAGS, "RENAME_??")),
        ),
        "link": _two_paths,
        "linkat": call(
            ("olddirfd", DIRFD), ("oldpath", PATH), ("newdirfd", DIRFD), ("newpath", PATH), ("flags", _AT_FLAGS)
        ),
        "symlink": call(("target", PATH), ("linkpath", PATH)),
        "symlinkat": call(("target", PATH), ("newdirfd", DIRFD), ("linkpath", PATH)),
        "unlink": _one_path,
        "unlinkat": call(("dirfd", DIRFD), ("pathname", PATH), ("flags", _AT_FLAGS)),
        "mkdir": _path_and_mode,
        "mkdirat": call(("dirfd", DIRFD), ("pathname", PATH), ("mode", MODE)),
        "rmdir": _one_path,
        "chdir": _one_path,
        "chroot": _one_path,
        "fchdir": call(("fd", FD)),
        "chmod": _path_and_mode,
        "fchmod": call(("fd", FD), ("mode", MODE)),
        "fchmodat": call(("dirfd", DIRFD), ("pathname", PATH), ("mode", MODE)),
        "chown": _path_and_owner,
        "lchown": _path_and_owner,
        "fchown": call(("fd", FD), ("owner", USER), ("group", USER)),
        "fchownat": call(("dirfd", DIRFD), ("pathname", PATH), ("owner", USER), ("group", USER), ("flags", _AT_FLAGS)),
        "utimensat": call(("dirfd", DIRFD), ("pathname", PATH), ("times", FILE_TIMES), ("flags", _AT_FLAGS)),
        "utimes": call(("filename", PATH), ("times", FILE_TIMES_MICRO)),
        "futimesat": call(("dirfd", DIRFD), ("pathname", PATH), ("times", FILE_TIMES_MICRO)),
        "truncate": call(("path", PATH), ("length", SIZE)),
        "setxattr": call(("path", PATH), *_set_xattr),
        "lsetxattr": call(("path", PATH), *_set_xattr),
        "fsetxattr": call(("fd", FD), *_set_xattr),
        "getxattr": call(("path", PATH), *_get_xattr),
        "lgetxattr": call(("path", PATH), *_get_xattr),
        "fgetxattr": call(("fd", FD), *_get_xattr),
        "listxattr": call(("path", PATH), ("list", XATTR_LIST), ("size", SIZE)),
        "llistxattr": call(("path", PATH), ("list", XATTR_LIST), ("size", SIZE)),
        "flistxattr": call(("fd", FD), ("list", XATTR_LIST), ("size", SIZE)),
        "removexattr": call(("path", PATH), ("name", STRING)),
        "lremovexattr": call(("path", PATH), ("name", STRING)),
        "fremovexattr": call(("fd", FD), ("name", STRING)),
        "mknod": call(("pathname", PATH), ("mode", MODE_WITH_TYPE), ("dev", DEVICE, 2, lambda raw: _is_device(raw[1]))),
        "mknodat": call(
            ("dirfd", DIRFD),
            ("pathname", PATH),
            ("mode", MODE_WITH_TYPE),
            ("dev", DEVICE, 3, lambda raw: _is_device(raw[2])),
        ),
        "swapoff": call(("path", PATH)),
        "sync": call(),
        "syncfs": call(("fd", FD)),
        "inotify_add_watch": call(("fd", FD), ("pathname", PATH), ("mask", flags(table.INOTIFY_EVENTS, "IN_???"))),
    }
)
