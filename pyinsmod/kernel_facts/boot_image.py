"""A boot image → the vmlinux inside it, as the kernel's scripts/extract-vmlinux finds it.

A bzImage says in its setup header where the packed kernel stands (Documentation/arch/x86/boot.rst, fields
`payload_offset` and `payload_length`), an EFI zboot image in the fields before its PE header
(drivers/firmware/efi/libstub/zboot-header.S); other wrappings are searched for the first bytes of a packed stream.
The vmlinux inside is stripped of symbols, and keeps its sections; arm64's is raw, see raw_image.py.
"""

from __future__ import annotations

import struct

from pyinsmod.elf_format import MAGIC as ELF_MAGIC
from pyinsmod.errors import MalformedModule, UsageError
from pyinsmod.kernel_facts.raw_image import as_elf, is_raw_image
from pyinsmod.lean import Callable, Iterator

LARGEST = 1 << 30
"""No vmlinux is bigger; a stream that unpacks to more is not followed."""

_SETUP_SECTORS_AT, _HEADER_MAGIC_AT, _PAYLOAD_AT = 0x1F1, 0x202, 0x248
_SECTOR = 512
_ZBOOT_AT = 4
# kbuild appends the unpacked size to every stream that does not end with it (scripts/Makefile.lib, size_append).
_SIZE_APPENDED = 4
# A byte sequence that only looks like a stream's beginning is met by chance; no real image has many.
_TRIED_PLACES = 64

Unpacker = Callable[[bytes], bytes]


def vmlinux_in(content: bytes) -> bytes:
    """Return the ELF file of the kernel in a boot image; a vmlinux is returned as it is.

    Raises:
        UsageError: there is no kernel in it, or none that can be unpacked here; the text says which.
    """
    whole = _vmlinux(content)
    if whole:
        return whole
    reasons: list[str] = []
    for packed in _packed_parts(content):
        try:
            unpacked = _unpack(packed)
        except (OSError, EOFError, ValueError, MalformedModule) as error:
            reasons.append(str(error))
            continue
        vmlinux = _vmlinux(unpacked)
        if vmlinux:
            return vmlinux
        reasons.append("what it unpacks to is no vmlinux")
    raise UsageError(f"no kernel image: {reasons[0] if reasons else 'no packed kernel in it'}")


def _vmlinux(content: bytes) -> bytes:
    """Return the vmlinux that this is or was made of; nothing when it is another thing."""
    if content.startswith(ELF_MAGIC):
        return content
    return as_elf(content) if is_raw_image(content) else b""


def _packed_parts(content: bytes) -> Iterator[bytes]:
    """Yield what may be the packed kernel, the likeliest first."""
    payload = _payload(content)
    if payload is not None:
        yield payload
        return
    for magic in UNPACKERS:
        at = content.find(magic)
        for _ in range(_TRIED_PLACES):
            if at < 0:
                break
            yield content[at:]
            at = content.find(magic, at + 1)


def _payload(content: bytes) -> bytes | None:
    """Return the payload that the header of a bzImage or zboot image names; None when this is neither."""
    if content[_ZBOOT_AT : _ZBOOT_AT + 4] == b"zimg":
        offset, length = struct.unpack_from("<II", content, _ZBOOT_AT + 4)
        return content[offset : offset + length] or None
    if len(content) < _PAYLOAD_AT + 8 or content[_HEADER_MAGIC_AT : _HEADER_MAGIC_AT + 4] != b"HdrS":
        return None
    offset, length = struct.unpack_from("<II", content, _PAYLOAD_AT)
    start = ((content[_SETUP_SECTORS_AT] or 4) + 1) * _SECTOR + offset
    return content[start : start + length] or None


def _unpack(packed: bytes) -> bytes:
    for magic, unpacker in UNPACKERS.items():
        if packed.startswith(magic):
            unpacked = unpacker(packed)
            if len(unpacked) > LARGEST:
                raise ValueError(f"it unpacks to more than {LARGEST} bytes")
            return unpacked
    raise ValueError(f"a packing that begins with {packed[:4].hex(' ')} cannot be unpacked here")


def _gunzip(packed: bytes) -> bytes:
    import zlib

    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(packed, LARGEST + 1)
    except zlib.error as error:
        raise ValueError(f"the gzip stream is damaged: {error}") from error


def _unxz(packed: bytes) -> bytes:
    import lzma

    try:
        return lzma.LZMADecompressor().decompress(packed, LARGEST + 1)
    except lzma.LZMAError as error:
        raise ValueError(f"the xz or lzma stream is damaged: {error}") from error


def _bunzip(packed: bytes) -> bytes:
    import bz2

    return bz2.BZ2Decompressor().decompress(packed, LARGEST + 1)


def _unzstd(packed: bytes) -> bytes:
    from pyinsmod.compression import decompress

    try:
        return decompress(packed[:-_SIZE_APPENDED], "zstd")
    except MalformedModule:
        return decompress(packed, "zstd")


def _unlz4(packed: bytes) -> bytes:
    from pyinsmod.kernel_facts.lz4 import unpack_legacy

    return unpack_legacy(packed, LARGEST)


UNPACKERS: dict[bytes, Unpacker] = {
    b"\x1f\x8b\x08": _gunzip,
    b"\xfd7zXZ\x00": _unxz,
    b"\x28\xb5\x2f\xfd": _unzstd,
    b"\x02\x21\x4c\x18": _unlz4,
    b"\x5d\x00\x00": _unxz,
    b"BZh": _bunzip,
}
"""First bytes of a stream → who unpacks it, and what may follow the stream is left alone."""
