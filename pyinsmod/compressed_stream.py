"""What a compressed file is made with, and what of it the kernel's own unpackers cannot do.

They are smaller than those of user space: lib/xz knows CRC32 and the filters it was built with,
kernel/module/decompress.c skips two of the parts a gzip header may have, lib/zstd has a limit on windows. They all
stop at the end of the first stream; the programs go on, so that the kernel may see less of a module than they.
"""

from __future__ import annotations

from pyinsmod.compression import MAGIC as NAMES
from pyinsmod.lean import Callable, NamedTuple

# The kernel's status numbers, as they stand in its log: enum xz_ret, zlib, ZSTD_ErrorCode.
XZ_OPTIONS, XZ_MEMORY = 6, 3

XZ_CHECKS = {0: "none", 1: "CRC32", 4: "CRC64", 10: "SHA-256"}
XZ_HEADER, XZ_LZMA2, XZ_DELTA = 12, 0x21, 0x03
XZ_LARGEST_DICTIONARY_CODE = 39  # 3 GiB; 40 stands for 4 GiB - 1

# Filters for machine code, with the build option of each.
XZ_FILTERS = {
    0x04: ("x86", "XZ_DEC_X86"),
    0x05: ("powerpc", "XZ_DEC_POWERPC"),
    0x06: ("ia64", "XZ_DEC_IA64"),
    0x07: ("arm", "XZ_DEC_ARM"),
    0x08: ("armthumb", "XZ_DEC_ARMTHUMB"),
    0x09: ("sparc", "XZ_DEC_SPARC"),
    0x0A: ("arm64", "XZ_DEC_ARM64"),
    0x0B: ("riscv", "XZ_DEC_RISCV"),
}
PLENTY = 1 << 28  # bytes of dictionary a machine may lack the memory for

GZIP_PARTS = {
    0x02: "a header checksum",
    0x04: "extra fields",
    0x10: "a comment",
    0x20: "encryption",
    0xC0: "reserved flags",
}

ZSTD_LARGEST_WINDOW = (1 << 27) + 1

MAGIC = {name: magic for magic, name in NAMES.items()}

Option = Callable[[str], "bool | None"]


class Obstacle(NamedTuple):
    """Why the kernel cannot unpack a stream; `certain` False: it may, depending on what is not known.

    `status` is the number in its log, None when that cannot be told; `errno` what the load would end with.
    """

    why: str
    wants: str
    status: int | None = None
    certain: bool = True
    errno: str = "EINVAL"


def obstacle(packed: bytes, compression: str, option: Option) -> Obstacle | None:
    """Return what keeps the kernel from unpacking a stream that user space can unpack, or None.

    Args:
        packed: the whole file.
        compression: its format, `gzip`, `xz` or `zstd`.
        option: tells whether a build option of the kernel is on; None when that is unknown.
    """
    found = {"gzip": _gzip, "xz": _xz, "zstd": _zstd}[compression](packed, option)
    return found or _more_streams(packed, compression)


def _more_streams(packed: bytes, compression: str) -> Obstacle | None:
    """The kernel unpacks the first stream only, and then finds that the module is cut short."""
    if packed.rfind(MAGIC[compression]) <= 0 or not _follows_another(packed, compression):
        return None
    why = f"it is made of several {compression} streams"
    return Obstacle(why, "unpacks the first one only", certain=False, errno="ENOEXEC")


def _follows_another(packed: bytes, compression: str) -> bool:
    if compression == "xz":
        import lzma

        rest = lzma.LZMADecompressor(format=lzma.FORMAT_XZ)
        rest.decompress(packed)
        return rest.unused_data.lstrip(b"\0").startswith(MAGIC["xz"])
    if compression == "gzip":
        import zlib

        member = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        member.decompress(packed)
        return member.unused_data.startswith(MAGIC["gzip"])
    return False


def _gzip(packed: bytes, _option: Option) -> Obstacle | None:
    """`module_gzip_header_len` skips ten bytes and a name, and takes the header's other parts for data."""
    flags = packed[3] if len(packed) > 3 else 0
    parts = [part for bits, part in GZIP_PARTS.items() if flags & bits]
    if not parts:
        return None
    return Obstacle(f"its gzip header has {' and '.join(parts)}", "wants a gzip header with a name at most")


def _xz(packed: bytes, option: Option) -> Obstacle | None:
    """`dec_stream_header` and `dec_block_header`."""
    if len(packed) <= XZ_HEADER or packed[XZ_HEADER] == 0:  # nothing packed in it
        return None
    check = packed[7] & 0x0F
    if check > 1:
        name = XZ_CHECKS.get(check, f"kind {check}")
        return Obstacle(f"its xz stream is checked by {name}", "wants CRC32 (xz --check=crc32) or none", XZ_OPTIONS)
    filters = _xz_filters(packed)
    if not filters or filters[-1][0] != XZ_LZMA2:
        return None
    return _xz_filter_obstacle(filters[:-1], option) or _xz_dictionary_obstacle(filters[-1][1])


def _xz_filters(packed: bytes) -> list[tuple[int, bytes]]:
    """Return number and properties of the filters of the first block."""
    flags, at = packed[XZ_HEADER + 1], XZ_HEADER + 2
    for bit in (0x40, 0x80):
        if flags & bit:
            _size, at = _xz_number(packed, at)
    filters = []
    for _ in range((flags & 3) + 1):
        number, at = _xz_number(packed, at)
        length, at = _xz_number(packed, at)
        filters.append((number, packed[at : at + length]))
        at += length
    return filters


def _xz_number(packed: bytes, at: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the lowest first; at most nine bytes."""
    number = 0
    for shift in range(0, 63, 7):
        byte = packed[at : at + 1] or b"\0"
        number |= (byte[0] & 0x7F) << shift
        at += 1
        if byte[0] < 0x80:
            break
    return number, at


def _xz_filter_obstacle(filters: list[tuple[int, bytes]], option: Option) -> Obstacle | None:
    if len(filters) > 1:
        return Obstacle(f"its xz stream goes through {len(filters)} filters", "wants one at most", XZ_OPTIONS)
    if not filters:
        return None
    number, properties = filters[0]
    name, needed = XZ_FILTERS.get(number, ("delta" if number == XZ_DELTA else f"number {number}", ""))
    built_in = option(needed) if needed else False
    if built_in and not properties:
        return None
    why = f"its xz stream goes through the filter {name}" + (" with a start offset" if properties else "")
    wants = f"has no such filter (CONFIG_{needed} is off)" if needed and not properties else "has no such filter"
    return Obstacle(why, wants, XZ_OPTIONS, certain=built_in is not None or bool(properties))


def _xz_dictionary_obstacle(properties: bytes) -> Obstacle | None:
    """`xz_dec_lzma2_reset` takes the memory for the dictionary at once."""
    code = properties[0] if properties else 0
    if code > XZ_LARGEST_DICTIONARY_CODE:
        return Obstacle("its xz dictionary has 4 GiB", "wants 3 GiB at most", XZ_OPTIONS)
    size = (2 + (code & 1)) << (code >> 1) + 11
    if size < PLENTY:
        return None
    why = f"its xz dictionary has {size >> 20} MiB"
    return Obstacle(why, "wants as much free memory, at once", XZ_MEMORY, certain=False)


def _zstd(packed: bytes, _option: Option) -> Obstacle | None:
    """`zstd_init_dstream` takes the window's size from the header; there is no dictionary (RFC 8878, 3.1.1.1)."""
    if len(packed) < 6:
        return None
    descriptor = packed[4]
    single, dictionary = descriptor >> 5 & 1, (0, 1, 2, 4)[descriptor & 3]
    at = 5 if single else 6
    if dictionary and any(packed[at : at + dictionary]):
        return Obstacle("its zstd stream needs a dictionary", "wants a stream without one")
    if single:
        return None
    exponent, mantissa = packed[5] >> 3, packed[5] & 7
    window = (1 << 10 + exponent) * (8 + mantissa) // 8
    if window <= ZSTD_LARGEST_WINDOW:
        return None
    return Obstacle(f"its zstd window has {window >> 20} MiB", "wants 128 MiB at most", certain=False)
