"""Who signed a module, by what the signature itself says. Nothing is verified here."""

from __future__ import annotations

from pyinsmod.certificates import common_name
from pyinsmod.der import DerError
from pyinsmod.errors import MalformedModule
from pyinsmod.signatures.appended import PKCS7, read_appended
from pyinsmod.signatures.ber import NotDecoded
from pyinsmod.signatures.message import parse_message


def signature_info(data: bytes) -> tuple[str, bytes, str, bytes]:
    """Return signer (common name), key (serial number or key identifier), digest and the signature's own bytes.

    Raises:
        MalformedModule: the appended signature cannot be read, for the reason given.
    """
    appended = read_appended(data)
    if appended is None or appended.info is None or appended.signed is None:
        raise MalformedModule("the block before the signature's marker says more than the file holds")
    if appended.info.id_type != PKCS7:
        raise MalformedModule(f"not a PKCS#7 signature, but type {appended.info.id_type}")
    start, length = appended.signed, appended.info.signature_length
    try:
        signer = parse_message(data[start : start + length]).signers[0]
        name = common_name(_as_sequence(signer.issuer)) if signer.issuer else ""
    except (NotDecoded, DerError, IndexError) as error:
        raise MalformedModule(f"the PKCS#7 message cannot be read: {error}") from error
    key = signer.key_id if signer.by_key_id else signer.serial.lstrip(b"\0")
    return name, key, signer.digest.name, signer.signature


def _as_sequence(contents: bytes) -> bytes:
    """Return contents with the DER header of a SEQUENCE before them."""
    size = len(contents)
    if size < 0x80:
        return bytes((0x30, size)) + contents
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((0x30, 0x80 | len(length))) + length + contents
