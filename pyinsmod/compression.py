"""Compressed modules: recognise them by their first bytes and unpack them in user space.

The names of the formats are those of /sys/module/compression (kernel/module/decompress.c, since 5.17).
"""

from __future__ import annotations

from typing import BinaryIO, cast

from pyinsmod.errors import MalformedModule

MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

# kernel_read_file refuses files above INT_MAX (EFBIG); nothing bigger can be a module.
LARGEST = 2**31 - 1
PIECE = 1 << 20


def compression_of(data: bytes) -> str | None:
    """Return `gzip`, `xz` or `zstd` when the first bytes say so, else None."""
    return next((name for magic, name in MAGIC.items() if data[: len(magic)] == magic), None)


def decompress(data: bytes, compression: str) -> bytes:
    """Return the unpacked bytes.

    Raises:
        MalformedModule: the stream is damaged, cut short, too big, or no unpacker is at hand.
    """
    unpacked = {"gzip": _gunzip, "xz": _unxz, "zstd": _unzstd}[compression](data)
    if len(unpacked) > LARGEST:
        raise MalformedModule(f"unpacks to more than {LARGEST} bytes, more than the kernel accepts")
    return unpacked


def _gunzip(data: bytes) -> bytes:
    import gzip
    import io
    import zlib

    try:
        return _read_bounded(cast(BinaryIO, gzip.GzipFile(fileobj=io.BytesIO(data))))
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedModule(f"gzip-compressed, and the stream is damaged: {error}") from error


def _unxz(data: bytes) -> bytes:
    import io
    import lzma

    try:
        return _read_bounded(cast(BinaryIO, lzma.LZMAFile(io.BytesIO(data))))
    except (lzma.LZMAError, EOFError) as error:
        raise MalformedModule(f"xz-compressed, and the stream is damaged: {error}") from error


def _read_bounded(stream: BinaryIO) -> bytes:
    """Read to the end, or just past what is allowed; asking for all at once would reserve all at once."""
    unpacked = bytearray()
    while len(unpacked) <= LARGEST and (piece := stream.read(PIECE)):
        unpacked += piece
    return bytes(unpacked)


def _unzstd(data: bytes) -> bytes:
    """Use Python's own zstd (3.14 and later), else the zstd program."""
    import importlib
    import importlib.util

    if importlib.util.find_spec("compression") is None:
        return _unzstd_by_program(data)
    zstd = importlib.import_module("compression.zstd")
    try:
        return bytes(zstd.decompress(data))
    except (zstd.ZstdError, EOFError) as error:
        raise MalformedModule(f"zstd-compressed, and the stream is damaged: {error}") from error


def _unzstd_by_program(data: bytes) -> bytes:
    import subprocess

    try:
        done = subprocess.run(["zstd", "-dcq"], input=data, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise MalformedModule(
            "zstd-compressed, and nothing here unpacks zstd: install the zstd program or use Python 3.14"
        ) from error
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise MalformedModule(
            f"zstd-compressed, and the stream is damaged: {words[-1] if words else 'no reason given'}"
        )
    return done.stdout
