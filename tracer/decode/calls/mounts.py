"""Calls that mount file systems. A type that the kernel does not know yet makes it ask modprobe for `fs-TYPE`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.descriptors import DIRFD, FD
from tracer.decode.kinds.mounting import DATA, FILE_SYSTEM_TYPE, FSCONFIG, MOUNT_ATTRIBUTES, MOUNT_FLAGS
from tracer.decode.kinds.numbers import SIZE
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.symbols import flags
from tracer.decode.kinds.texts import PATH, STRING
from tracer.decode.signature import Signature, call
from tracer.decode.tables import mount_flags as table

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "mount": call(
            ("source", PATH),
            ("target", PATH),
            ("filesystemtype", FILE_SYSTEM_TYPE),
            ("mountflags", MOUNT_FLAGS),
            ("data", DATA),
        ),
        "umount2": call(("target", PATH), ("flags", flags(table.UMOUNT_FLAGS, "MNT_???"))),
        "pivot_root": call(("new_root", PATH), ("put_old", PATH)),
        "fsopen": call(("fs_name", STRING), ("flags", flags(table.FSOPEN_FLAGS, "FSOPEN_???")), returns=DESCRIPTOR),
        "fsconfig": FSCONFIG,
        "fsmount": call(
            ("fs_fd", FD),
            ("flags", flags(table.FSMOUNT_FLAGS, "FSMOUNT_???")),
            ("attr_flags", flags(table.MOUNT_ATTRIBUTES, "MOUNT_ATTR_???")),
            returns=DESCRIPTOR,
        ),
        "fspick": call(
            ("dirfd", DIRFD),
            ("pathname", PATH),
            ("flags", flags(table.FSPICK_FLAGS, "FSPICK_???")),
            returns=DESCRIPTOR,
        ),
        "move_mount": call(
            ("from_dirfd", DIRFD),
            ("from_pathname", PATH),
            ("to_dirfd", DIRFD),
            ("to_pathname", PATH),
            ("flags", flags(table.MOVE_MOUNT_FLAGS, "MOVE_MOUNT_???")),
        ),
        "open_tree": call(
            ("dirfd", DIRFD),
            ("pathname", PATH),
            ("flags", flags(table.OPEN_TREE_FLAGS, "OPEN_TREE_???")),
            returns=DESCRIPTOR,
        ),
        "mount_setattr": call(
            ("dirfd", DIRFD),
            ("pathname", PATH),
            ("flags", flags(table.MOUNT_SETATTR_FLAGS, "AT_???")),
            ("attr", MOUNT_ATTRIBUTES),
            ("size", SIZE),
        ),
    }
)
