"""The wire format between host and guest: typed frames over a byte stream that may be a serial line.

A frame is kind (1 byte), payload length (u32) and CRC-32 of the payload (u32), big endian, then the
payload. Serial lines of a virtual machine lose nothing as long as the reader keeps up, so the sender
of bulk data waits for an `ACK` every `WINDOW` bytes; the checksum turns the rest into a loud error.
This file runs unchanged on the host and in the guest, so it imports the standard library only.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any

HEADER = struct.Struct(">cII")
CHUNK = 16 * 1024  # payload bytes in one DATA or STDIN frame
WINDOW = 2 * CHUNK  # unacknowledged bytes towards the guest: below the tty's 64 KiB input buffer
MAX_PAYLOAD = 1 << 20

READY = b"R"  # guest → host: JSON, what the guest is; sent once, before the snapshot
PUT = b"P"  # host → guest: JSON {path, mode, size}; DATA frames with so many bytes of a zlib stream follow
RUN = b"C"  # host → guest: JSON job
STANDS_BY = b"B"  # guest → host: the job that was to be held has come to its point
DATA = b"D"  # either way: bytes of the file announced last
ACK = b"A"  # guest → host: u32, bytes of bulk data consumed
STDIN = b"I"  # host → guest: bytes for the command; empty means end of file
WINSIZE = b"W"  # host → guest: JSON {rows, columns} of the terminal
STDOUT = b"O"  # guest → host
STDERR = b"E"  # guest → host
FILE = b"F"  # guest → host: JSON {path, size} or {path, error}; DATA frames follow
EXIT = b"X"  # guest → host: JSON {status} or {error}; the job is over


class FrameError(Exception):
    """The stream does not hold a whole, undamaged frame where one should start."""


def encode(kind: bytes, payload: bytes = b"") -> bytes:
    """Return the frame as bytes."""
    return HEADER.pack(kind, len(payload), zlib.crc32(payload)) + payload


def encode_json(kind: bytes, value: dict[str, Any]) -> bytes:
    """Return a frame whose payload is one JSON object."""
    return encode(kind, json.dumps(value).encode())


class Decoder:
    """Cuts a byte stream into frames; feed it whatever arrived."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield each complete (kind, payload); raise FrameError when the stream is damaged."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            kind, length, checksum = HEADER.unpack_from(self._buffer)
            if length > MAX_PAYLOAD:
                raise FrameError(f"frame of {length} bytes announced, {MAX_PAYLOAD} allowed")
            if len(self._buffer) < HEADER.size + length:
                return
            payload = bytes(self._buffer[HEADER.size : HEADER.size + length])
            del self._buffer[: HEADER.size + length]
            if zlib.crc32(payload) != checksum:
                raise FrameError(f"frame {kind!r} of {length} bytes arrived damaged")
            yield kind, payload
