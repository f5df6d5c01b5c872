"""Compressed modules: recognise them by their first bytes and unpack them in user space.

The names of the formats are those of /sys/module/compression (kernel/module/decompress.c, since 5.17). A small
file can unpack to any size: it is unpacked piece by piece, and no further than the kernel would accept.
"""

from __future__ import annotations

from pyinsmod.errors import MalformedModule
from pyinsmod.lean import Callable

MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}

# kernel_read_file refuses files above INT_MAX (EFBIG); nothing bigger can be a module.
LARGEST = 2**31 - 1
PIECE = 1 << 20


def compression_of(data: bytes) -> str | None:
    """Return `gzip`, `xz` or `zstd` when the first bytes say so, else None."""
    return next((name for magic, name in MAGIC.items() if data[: len(magic)] == magic), None)


def decompress(data: bytes, compression: str) -> bytes:
    """Return the unpacked bytes; several streams one after the other are unpacked one after the other.

    Raises:
        MalformedModule: the stream is damaged, cut short, too big, or no unpacker is at hand.
    """
    return {"gzip": _gunzip, "xz": _unxz, "zstd": _unzstd}[compression](data)


def _gunzip(data: bytes) -> bytes:
    import gzip
    import io
    import zlib

    try:
        return _read_bounded(gzip.GzipFile(fileobj=io.BytesIO(data)).read, data)
    except (OSError, EOFError, zlib.error) as error:
        raise _damaged("gzip", error) from error


def _unxz(data: bytes) -> bytes:
    import io
    import lzma

    # Zero bytes may follow a stream (xz file format, 2.2), which ends with the letters YZ; Python minds them.
    try:
        return _read_bounded(lzma.LZMAFile(io.BytesIO(data.rstrip(b"\0"))).read, data)
    except (lzma.LZMAError, EOFError, MemoryError) as error:
        raise _damaged("xz", error or "its dictionary does not fit into memory") from error


def _read_bounded(read: Callable[[int], bytes], packed: bytes) -> bytes:
    """Read to the end. A BytesIO gives away its bytes without another copy of them."""
    import io

    unpacked = io.BytesIO()
    while piece := read(PIECE):
        unpacked.write(piece)
        if unpacked.tell() > LARGEST:
            raise MalformedModule(
                f"unpacks from {len(packed)} bytes to more than {LARGEST}, and the kernel accepts no more"
            )
    return unpacked.getvalue()


def _unzstd(data: bytes) -> bytes:
    """Use Python's own zstd (3.14 and later), else libzstd, else the zstd program."""
    import importlib
    import importlib.util
    import io

    if importlib.util.find_spec("compression") is None:
        return _unzstd_by_library(data)
    zstd = importlib.import_module("compression.zstd")
    try:
        return _read_bounded(zstd.ZstdFile(io.BytesIO(data)).read, data)
    except (zstd.ZstdError, EOFError) as error:
        raise _damaged("zstd", error) from error


def _unzstd_by_library(data: bytes) -> bytes:
    """Unpack in one call what says its size, as kbuild's modules do; the program takes its time for the rest."""
    from pyinsmod.zstd_library import DamagedError, unpacked

    try:
        found = unpacked(data, LARGEST)
    except DamagedError as error:
        raise _damaged("zstd", error) from error
    return _unzstd_by_program(data) if found is None else found


def _unzstd_by_program(data: bytes) -> bytes:
    """Feed the program from a file, so that it can be read from piece by piece, and stopped."""
    import subprocess
    import tempfile

    with tempfile.TemporaryFile() as packed, tempfile.TemporaryFile() as complaints:
        packed.write(data)
        packed.seek(0)
        try:
            program = subprocess.Popen(["zstd", "-dcq"], stdin=packed, stdout=subprocess.PIPE, stderr=complaints)
        except FileNotFoundError as error:
            raise MalformedModule(
                "zstd-compressed, and nothing here unpacks zstd: install the zstd program or use Python 3.14"
            ) from error
        with program:
            assert program.stdout  # noqa: S101 - it is a pipe
            try:
                unpacked = _read_bounded(program.stdout.read, data)
            except MalformedModule:
                program.kill()
                raise
        complaints.seek(0)
        words = complaints.read().decode("utf-8", "replace").strip().splitlines()
    if program.returncode:
        raise _damaged("zstd", words[-1] if words else "no reason given")
    return unpacked


def _damaged(compression: str, why: object) -> MalformedModule:
    return MalformedModule(f"{compression}-compressed, and the stream is damaged: {why}")
