"""Faults of a module's signature: what `scripts/sign-file` appends, made badly.

The parts are those of `struct module_signature` (include/linux/module_signature.h): the signature's bytes, 12 bytes
that describe it (the length big-endian), and a line of text that marks the file as signed.
"""

from __future__ import annotations

import struct

from tracer.experiments.errors import UnknownFault
from tracer.experiments.image_faults import Places
from tracer.experiments.signing import MARKER, PKCS7

_INFO = struct.Struct(">5B3xI")
# A DER sequence that names no content type: it cannot be a signature.
_NO_SIGNATURE = b"\x30\x03\x02\x01\x00"


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def _foreign_message() -> bytes:
    """Return a PKCS#7 message (RFC 2315) as sign-file makes it, of a signer whom no kernel knows.

    The kernel looks for the key before it looks at the signature itself, so that may be anything.
    """
    sequence, set_, integer, octets, oid, text, explicit = 0x30, 0x31, 0x02, 0x04, 0x06, 0x0C, 0xA0
    signed_data = _der(oid, bytes.fromhex("2a864886f70d010702"))
    data = _der(oid, bytes.fromhex("2a864886f70d010701"))
    sha256 = _der(sequence, _der(oid, bytes.fromhex("608648016503040201")))
    rsa = _der(sequence, _der(oid, bytes.fromhex("2a864886f70d010101")), b"\x05\x00")
    common_name = _der(sequence, _der(oid, bytes.fromhex("550403")), _der(text, b"nobody's key"))
    issuer = _der(sequence, _der(set_, common_name))
    signer = _der(sequence, issuer, _der(integer, b"\x4d" * 19))
    one = _der(integer, b"\x01")
    info = _der(sequence, one, signer, sha256, rsa, _der(octets, b"\x5a" * 256))
    body = _der(sequence, one, _der(set_, sha256), _der(sequence, data), _der(set_, info))
    return _der(sequence, signed_data, _der(explicit, body))


_FOREIGN = _foreign_message()
_KINDS: dict[str, bytes] = {
    # The module's own last bytes are taken for the description.
    "marker-only": MARKER,
    "half-marker": MARKER[:14],
    "marker-and-newline": _NO_SIGNATURE + _INFO.pack(0, 0, PKCS7, 0, 0, 5) + MARKER + b"\n",
    "not-der": b"\xff" * 64 + _INFO.pack(0, 0, PKCS7, 0, 0, 64) + MARKER,
    "no-pkcs7": _NO_SIGNATURE + _INFO.pack(0, 0, PKCS7, 0, 0, len(_NO_SIGNATURE)) + MARKER,
    "empty": _INFO.pack(0, 0, PKCS7, 0, 0, 0) + MARKER,
    "too-long": _INFO.pack(0, 0, PKCS7, 0, 0, 0x7FFFFFFF) + MARKER,
    "id-type-0": _NO_SIGNATURE + _INFO.pack(0, 0, 0, 0, 0, 5) + MARKER,
    "id-type-1": _NO_SIGNATURE + _INFO.pack(0, 0, 1, 0, 0, 5) + MARKER,
    "id-type-3": _NO_SIGNATURE + _INFO.pack(0, 0, 3, 0, 0, 5) + MARKER,
    "algorithm": _NO_SIGNATURE + _INFO.pack(1, 0, PKCS7, 0, 0, 5) + MARKER,
    "hash": _NO_SIGNATURE + _INFO.pack(0, 4, PKCS7, 0, 0, 5) + MARKER,
    "signer-length": _NO_SIGNATURE + _INFO.pack(0, 0, PKCS7, 9, 0, 5) + MARKER,
    "key-id-length": _NO_SIGNATURE + _INFO.pack(0, 0, PKCS7, 0, 20, 5) + MARKER,
    "twice": MARKER * 2,
    "foreign-key": _FOREIGN + _INFO.pack(0, 0, PKCS7, 0, 0, len(_FOREIGN)) + MARKER,
}


def signature(image: bytearray, _places: Places, argument: str) -> None:
    """Append something that is no good signature."""
    if argument not in _KINDS:
        raise UnknownFault(f"signature wants one of {', '.join(_KINDS)}; found '{argument}'")
    image += _KINDS[argument]
