"""libzstd by ctypes, so that unpacking a module need not start a program; dpkg needs it, so every Debian has it.

Python has zstd of its own from 3.14 on. Prototypes: zstd.h, the "simple API" and `ZSTD_getFrameContentSize`.
"""

from __future__ import annotations

import ctypes

from pyinsmod.lean import Any, cache

LIBRARY = "libzstd.so.1"
# ZSTD_getFrameContentSize: the frame does not say its size, or is none.
_UNKNOWN, _NO_FRAME = (1 << 64) - 1, (1 << 64) - 2


class DamagedError(Exception):
    """The stream is damaged; the text is libzstd's."""


def unpacked(data: bytes, largest: int) -> bytes | None:
    """Return what a stream unpacks to; None when this library cannot be sure to do it in one call.

    That is: there is no library, the frame does not say its size or a bigger one than `largest`, or another frame
    follows.

    Raises:
        DamagedError: the stream is damaged.
    """
    zstd = _library()
    if zstd is None:
        return None
    size = zstd.ZSTD_getFrameContentSize(data, len(data))
    if (
        size in (_UNKNOWN, _NO_FRAME)
        or size > largest
        or zstd.ZSTD_findFrameCompressedSize(data, len(data)) != len(data)
    ):
        return None
    place = ctypes.create_string_buffer(size or 1)
    done = zstd.ZSTD_decompress(place, size, data, len(data))
    if zstd.ZSTD_isError(done):
        raise DamagedError(zstd.ZSTD_getErrorName(done).decode("ascii", "replace"))
    return place.raw[:done]


@cache
def _library() -> Any:
    """Return the library with its prototypes declared; None where there is none."""
    try:
        zstd = ctypes.CDLL(LIBRARY)
        size, pointer = ctypes.c_size_t, ctypes.c_char_p
        for name, result, arguments in (
            ("ZSTD_getFrameContentSize", ctypes.c_ulonglong, (pointer, size)),
            ("ZSTD_findFrameCompressedSize", size, (pointer, size)),
            ("ZSTD_decompress", size, (ctypes.c_void_p, size, pointer, size)),
            ("ZSTD_isError", ctypes.c_uint, (size,)),
            ("ZSTD_getErrorName", pointer, (size,)),
        ):
            function = getattr(zstd, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError):
        return None
    return zstd
