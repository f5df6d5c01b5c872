"""The signature of a module as facts: by whom, of what, with what. The kernel's judgement of it is in `verdict`.

The names agree with modinfo(8): `signer` is the common name of the issuer of the signer's certificate, `sig_key`
its serial number, or the identifier the key goes by.
"""

from __future__ import annotations

from pyinsmod.certificates import common_name
from pyinsmod.der import SEQUENCE, DerError
from pyinsmod.errors import MalformedModule
from pyinsmod.lean import NamedTuple
from pyinsmod.signatures.appended import PKCS7, read_appended
from pyinsmod.signatures.ber import NotDecoded
from pyinsmod.signatures.message import SignerInfo, parse_message


class Signature(NamedTuple):
    """The first signature appended to a module.

    `key` is lower-case hexadecimal, `digest` a name as hashlib has it, `algorithm` `rsa`, `ecdsa` or `ml-dsa`;
    `signature` are the bytes themselves, `signed_size` is how many bytes of the file are signed.
    """

    signer: str
    key: str
    digest: str
    algorithm: str
    signature: bytes
    signed_size: int

    def modinfo(self) -> dict[str, str]:
        """Return what modinfo shows, without the line breaks it puts into the last field."""
        return {
            "sig_id": "PKCS#7",
            "signer": self.signer,
            "sig_key": _colons(bytes.fromhex(self.key)),
            "sig_hashalgo": self.digest.replace("_", "-"),
            "signature": _colons(self.signature),
        }


def read_signature(data: bytes) -> Signature | None:
    """Return the signature appended to a module, or None when it is not signed.

    Raises:
        MalformedModule: it is damaged.
    """
    appended = read_appended(data)
    if appended is None:
        return None
    info, signed = appended.info, appended.signed
    if info is None or signed is None:
        raise MalformedModule("the appended signature does not fit into the file")
    if info.id_type != PKCS7:
        raise MalformedModule(f"the appended signature is of type {info.id_type}, not PKCS#7")
    try:
        message = parse_message(data[signed : signed + info.signature_length])
    except NotDecoded as error:
        raise MalformedModule(f"the appended signature is damaged: {error.why}") from error
    signer = message.signers[0]
    key = signer.key_id if signer.by_key_id else signer.serial.lstrip(b"\0")
    return Signature(
        signer_name(signer), key.hex(), signer.digest.name, signer.algorithm.name, signer.signature, signed
    )


def signer_name(signer: SignerInfo) -> str:
    """Return what to call the signer: its issuer's common name, else its serial number or key identifier."""
    if signer.by_key_id:
        return f"key {_colons(signer.key_id)}"
    try:
        name = common_name(_with_header(signer.issuer))
    except DerError:
        name = ""
    return name or f"serial number {_colons(signer.serial)}"


def _with_header(contents: bytes) -> bytes:
    """Return the DER of a name from its contents, which is all the kernel keeps of it."""
    size = len(contents)
    length = (
        bytes([size]) if size < 0x80 else b"\x81" + bytes([size]) if size < 0x100 else b"\x82" + size.to_bytes(2, "big")
    )
    return bytes([SEQUENCE]) + length + contents


def _colons(raw: bytes) -> str:
    return raw.hex(":").upper()
