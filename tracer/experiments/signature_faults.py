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
}


def signature(image: bytearray, _places: Places, argument: str) -> None:
    """Append something that is no good signature."""
    if argument not in _KINDS:
        raise UnknownFault(f"signature wants one of {', '.join(_KINDS)}; found '{argument}'")
    image += _KINDS[argument]
