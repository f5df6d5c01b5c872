"""The end of a signed file: the marker, the info block before it, and the message before that.

`struct module_signature` (include/linux/module_signature.h), read as `mod_check_sig` does.
"""

from __future__ import annotations

import struct

from pyinsmod.lean import NamedTuple
from pyinsmod.module_image import SIGNATURE_MARKER as MARKER

# algo, hash, id_type, signer_len, key_id_len, three bytes of padding, sig_len big-endian.
INFO = struct.Struct(">BBBBB3sI")
PKCS7 = 2


class InfoBlock(NamedTuple):
    """The 12 bytes before the marker. All but `id_type` and the length are zero since signatures are PKCS#7 (4.3)."""

    algorithm: int
    hash: int
    id_type: int
    signer_length: int
    key_id_length: int
    padding: bytes
    signature_length: int

    @property
    def clean(self) -> bool:
        """Tell whether what has to be zero is zero."""
        return not any(self[:2] + self[3:5]) and self.padding == bytes(3)


class Appended(NamedTuple):
    """Where things end: `signed` bytes of module, then the message, then the info block, then the marker.

    `info` is None when there is no room for it; `signed` is None when the length in it makes no sense.
    """

    info: InfoBlock | None
    signed: int | None
    unmarked: int


def read_appended(data: bytes) -> Appended | None:
    """Return what is appended to a module, or None when nothing is: then it is unsigned."""
    if len(data) <= len(MARKER) or data[-len(MARKER) :] != MARKER:
        return None
    unmarked = len(data) - len(MARKER)
    if unmarked <= INFO.size:
        return Appended(None, None, unmarked)
    info = InfoBlock(*INFO.unpack_from(data, unmarked - INFO.size))
    room = unmarked - INFO.size
    return Appended(info, room - info.signature_length if info.signature_length < room else None, unmarked)


def loaded_length(data: bytes, ignored: bool) -> int:
    """Return how many bytes of a file the ELF checks are given: what is appended is cut off before them.

    `ignored` says that the signature is not looked at, as with force flags: then nothing is cut off.
    """
    appended = None if ignored else read_appended(data)
    if appended is None:
        return len(data)
    sound = appended.info is not None and appended.info.id_type == PKCS7 and appended.info.clean
    return appended.signed if sound and appended.signed is not None else appended.unmarked
