"""Unpack LZ4 in the "legacy frame" that kernels are packed with (lz4 -l): no Python of ours has it built in.

Formats: lz4_Frame_format.md (legacy frame) and lz4_Block_format.md of the LZ4 project. A kernel of 50 MB takes
about two seconds.
"""

from __future__ import annotations

MAGIC = b"\x02\x21\x4c\x18"
BLOCK_SIZE = 8 << 20
"""Each block of a legacy frame but the last unpacks to this."""

_SHORTEST_MATCH = 4


def unpack_legacy(packed: bytes, largest: int) -> bytes:
    """Return the unpacked bytes of the frame that `packed` begins with; what follows it is left alone.

    Raises:
        ValueError: this is no such frame, it is damaged, or unpacks to more than `largest` bytes.
    """
    if not packed.startswith(MAGIC):
        raise ValueError("no legacy LZ4 frame")
    unpacked = bytearray()
    at = len(MAGIC)
    while at + 4 <= len(packed):
        size = int.from_bytes(packed[at : at + 4], "little")
        block = packed[at + 4 : at + 4 + size]
        # The four bytes kbuild appends, the unpacked size, look like the beginning of a block too long to be one.
        if not size or len(block) < size:
            break
        unpacked += _unpack_block(block)
        at += 4 + size
        if len(unpacked) > largest:
            raise ValueError(f"the LZ4 frame unpacks to more than {largest} bytes")
    return bytes(unpacked)


def _unpack_block(block: bytes) -> bytearray:
    out = bytearray()
    at = 0
    try:
        while True:
            token = block[at]
            literals, at = _length(block, at + 1, token >> 4)
            out += block[at : at + literals]
            at += literals
            if at == len(block):
                return out
            distance = block[at] | block[at + 1] << 8
            match, at = _length(block, at + 2, token & 15)
            if len(out) + match > BLOCK_SIZE:
                raise ValueError("the LZ4 frame is damaged: a block too long")
            _copy_match(out, distance, match + _SHORTEST_MATCH)
    except IndexError as error:
        raise ValueError("the LZ4 frame is damaged: a block ends too early") from error


def _length(block: bytes, at: int, start: int) -> tuple[int, int]:
    """Return a length that began with four bits, and where it ends: 15 means that more bytes follow."""
    if start == 15:
        while (more := block[at]) == 255:
            start += 255
            at += 1
        start += more
        at += 1
    return start, at


def _copy_match(out: bytearray, distance: int, length: int) -> None:
    """Repeat what stands `distance` bytes back; it may overlap what it makes."""
    start = len(out) - distance
    if not distance or start < 0:
        raise ValueError("the LZ4 frame is damaged: a match before its beginning")
    piece = out[start : start + length]
    out += piece if len(piece) == length else (piece * (length // distance + 1))[:length]
