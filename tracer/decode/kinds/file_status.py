"""What the stat family tells of a file and of a file system."""

from __future__ import annotations

from tracer.decode.kinds.common import of_number, show_address
from tracer.decode.kinds.numbers import ADDRESS, octal
from tracer.decode.kinds.structures import Structure, pointed_out, shown_list, structure, structure_reader
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.signature import Kind, LateReader, Value
from tracer.decode.tables import file_flags, file_numbers
from tracer.decode.tables.architectures import Architecture
from tracer.decode.tables.file_systems import FILE_SYSTEMS
from tracer.decode.values import flags as split_flags

_TYPE_BITS = 0o170000
_SPECIAL_BITS = ((0o4000, "S_ISUID"), (0o2000, "S_ISGID"), (0o1000, "S_ISVTX"))
_DEVICES = ("S_IFCHR", "S_IFBLK")


def mode_symbols(value: int) -> str:
    """Return a file's type and permissions as strace writes them: `S_IFREG|0644`."""
    kind = file_numbers.FILE_TYPES.get(value & _TYPE_BITS)
    if kind is None:
        return octal(value)
    parts = [kind]
    rest = value & ~_TYPE_BITS
    for bit, symbol in _SPECIAL_BITS:
        if rest & bit:
            parts.append(symbol)
            rest &= ~bit
    return "|".join([*parts, octal(rest)])


MODE_WITH_TYPE = of_number(lambda value: mode_symbols(value & 0xFFFF))


def _device(value: int) -> dict[str, int]:
    """Return a device number's parts (new_encode_dev in <linux/kdev_t.h>, huge_encode_dev)."""
    return {
        "major": (value >> 8 & 0xFFF) | (value >> 32 & 0xFFFFF000),
        "minor": (value & 0xFF) | (value >> 12 & 0xFFFFFF00),
    }


def _show_device(value: Value) -> str:
    return f"makedev({value['major']:#x}, {value['minor']:#x})"


DEVICE = of_number(_device, _show_device)
_TIMES_64 = tuple((f"st_{each}tim{part}", "q") for each in "amc" for part in ("e", "e_nsec"))
_TIMES_32 = tuple((f"st_{each}tim{part}", "I") for each in "amc" for part in ("e", "e_nsec"))


def show_status(value: Value) -> str:
    """Show struct stat as strace does by default: type, permissions and size, or the device."""
    if not isinstance(value, dict) or "st_mode" not in value:
        return show_address(value)
    mode = value["st_mode"]
    if mode.startswith(_DEVICES):
        return f"{{st_mode={mode}, st_rdev={_show_device(value['st_rdev'])}, ...}}"
    return f"{{st_mode={mode}, st_size={value['st_size']}, ...}}"


def _status(*rows: tuple[object, ...]) -> Structure:
    return structure(*rows)._replace(show=show_status)


_HEAD = (("st_dev", "Q", DEVICE), ("st_ino", "Q"))
_OWNER = (("st_uid", "I"), ("st_gid", "I"))

_STATUS32 = _status(
    ("st_dev", "I", DEVICE),
    ("st_ino", "I"),
    ("st_mode", "H", MODE_WITH_TYPE),
    ("st_nlink", "H"),
    ("st_uid", "H"),
    ("st_gid", "H"),
    ("st_rdev", "I", DEVICE),
    ("st_size", "I"),
    ("st_blksize", "I"),
    ("st_blocks", "I"),
    *_TIMES_32,
    ("unused", 8),
)

#: struct stat: arch/…/include/uapi/asm/stat.h differs from architecture to architecture.
STATUS = {
    "x86_64": _status(
        *_HEAD,
        ("st_nlink", "Q"),
        ("st_mode", "I", MODE_WITH_TYPE),
        *_OWNER,
        ("pad", 4),
        ("st_rdev", "Q", DEVICE),
        ("st_size", "q"),
        ("st_blksize", "q"),
        ("st_blocks", "q"),
        *_TIMES_64,
        ("unused", 24),
    ),
    "aarch64": _status(
        *_HEAD,
        ("st_mode", "I", MODE_WITH_TYPE),
        ("st_nlink", "I"),
        *_OWNER,
        ("st_rdev", "Q", DEVICE),
        ("pad1", 8),
        ("st_size", "q"),
        ("st_blksize", "i"),
        ("pad2", 4),
        ("st_blocks", "q"),
        *_TIMES_64,
        ("unused", 8),
    ),
    "i386": _STATUS32,
    "arm": _STATUS32,
}
#: struct stat64 of 32-bit x86 programs.
_STATUS64 = _status(
    ("st_dev", "Q", DEVICE),
    ("pad0", 4),
    ("st_ino_low", "I"),
    ("st_mode", "I", MODE_WITH_TYPE),
    ("st_nlink", "I"),
    *_OWNER,
    ("st_rdev", "Q", DEVICE),
    ("pad3", 4),
    ("st_size", "q"),
    ("st_blksize", "I"),
    ("st_blocks", "Q"),
    *_TIMES_32,
    ("st_ino", "Q"),
)


def _status_reader(arch: Architecture) -> LateReader:
    layout = STATUS.get(arch.name, STATUS["aarch64"]).layout(arch)
    return structure_reader(layout)


STAT = ADDRESS._replace(late=_status_reader, show=show_status, shown_late=True)
STAT64 = pointed_out(_STATUS64)

_TIMESTAMP = structure(("tv_sec", "q"), ("tv_nsec", "I"), ("pad", 4))
_MASK = flags(file_flags.STATX_MASKS, "STATX_???")
_ATTRIBUTES = flags(file_flags.STATX_ATTRIBUTES, "STATX_ATTR_???", mask=(1 << 64) - 1)
_STATX = structure(
    ("stx_mask", "I", _MASK),
    ("stx_blksize", "I"),
    ("stx_attributes", "Q", _ATTRIBUTES),
    ("stx_nlink", "I"),
    ("stx_uid", "I"),
    ("stx_gid", "I"),
    ("stx_mode", "H", MODE_WITH_TYPE),
    ("pad1", 2),
    ("stx_ino", "Q"),
    ("stx_size", "Q"),
    ("stx_blocks", "Q"),
    ("stx_attributes_mask", "Q", _ATTRIBUTES),
    ("stx_atime", _TIMESTAMP),
    ("stx_btime", _TIMESTAMP),
    ("stx_ctime", _TIMESTAMP),
    ("stx_mtime", _TIMESTAMP),
    ("stx_rdev_major", "I"),
    ("stx_rdev_minor", "I"),
    ("stx_dev_major", "I"),
    ("stx_dev_minor", "I"),
    ("stx_mnt_id", "Q"),
    ("spare", 104),
)
_TYPE_OR_MODE, _SIZE = 0x3, 0x200


def _masked(value: Value, bits: int) -> bool:
    """Whether statx says that it filled in what these bits of its mask stand for."""
    numbers = {symbol: number for number, symbol in file_flags.STATX_MASKS}
    return any(numbers.get(symbol, 0) & bits for symbol in value["stx_mask"])


def _show_statx(value: Value) -> str:
    if not isinstance(value, dict) or "stx_mask" not in value:
        return show_address(value)
    parts = [
        f"stx_mask={_MASK.show(value['stx_mask'])}",
        f"stx_attributes={_ATTRIBUTES.show(value['stx_attributes'])}",
    ]
    if _masked(value, _TYPE_OR_MODE):
        parts.append(f"stx_mode={value['stx_mode']}")
    if _masked(value, _SIZE):
        parts.append(f"stx_size={value['stx_size']}")
    return "{" + ", ".join(parts) + ", ...}"


STATX = pointed_out(_STATX._replace(show=_show_statx))

_SYNC = 0x6000
_SYNC_FLAGS = ((0x2000, "AT_STATX_FORCE_SYNC"), (0x4000, "AT_STATX_DONT_SYNC"))


def _statx_flags(value: int) -> list[str]:
    """Return the sync type, then the flags."""
    value &= 0xFFFFFFFF
    sync = split_flags(value & _SYNC, _SYNC_FLAGS) or ["AT_STATX_SYNC_AS_STAT"]
    return [*sync, *split_flags(value & ~_SYNC, file_flags.AT_FLAGS)]


STATX_FLAGS = of_number(_statx_flags, "|".join)
STATX_MASK = _MASK


_show_halves = shown_list(lambda value: f"{value:#x}" if value else "0")
_TYPE = enum(FILE_SYSTEMS, None)
_STATFS_FLAGS = flags(file_flags.STATFS_FLAGS, "ST_???", mask=(1 << 64) - 1)
_WORDS = tuple((name, "L") for name in ("f_bsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree"))
_STATFS = structure(
    ("f_type", "L", _TYPE),
    *_WORDS,
    ("f_fsid_low", "I"),
    ("f_fsid_high", "I"),
    ("f_namelen", "L"),
    ("f_frsize", "L"),
    ("f_flags", "L", _STATFS_FLAGS),
    ("spare1", "L"),
    ("spare2", "L"),
    ("spare3", "L"),
    ("spare4", "L"),
)


def _show_statfs(value: Value) -> str:
    if not isinstance(value, dict) or "f_type" not in value:
        return show_address(value)
    parts = [f"{name}={value[name]}" for name, *_ in (("f_type",), *_WORDS)]
    parts.append(f"f_fsid={{val={_show_halves([value['f_fsid_low'], value['f_fsid_high']])}}}")
    parts += [f"f_namelen={value['f_namelen']}", f"f_frsize={value['f_frsize']}"]
    if "ST_VALID" in value["f_flags"]:
        parts.append(f"f_flags={_STATFS_FLAGS.show(value['f_flags'])}")
    return "{" + ", ".join(parts) + "}"


STATFS: Kind = pointed_out(_STATFS._replace(show=_show_statfs))
