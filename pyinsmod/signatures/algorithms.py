"""Object identifiers of a PKCS#7 message and of what it is made with. Data only.

Which kernels know an algorithm shows by its identifier standing in the kernel's own register of them
(lib/oid_registry.c): `feature` names the row of kernel_facts/features.py. The kernel's parser gives up with
ENOPKG for what it does not know, and the module counts as unsigned (`pkcs7_sig_note_digest_algo`,
`pkcs7_sig_note_pkey_algo`).
"""

from __future__ import annotations

from pyinsmod.lean import NamedTuple

DATA = bytes.fromhex("2a864886f70d010701")
SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
AUTHENTICODE = bytes.fromhex("2b060104018237020104")

CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SIGNING_TIME = bytes.fromhex("2a864886f70d010905")
SMIME_CAPABILITIES = bytes.fromhex("2a864886f70d01090f")
AUTHENTICODE_STATEMENT = bytes.fromhex("2b06010401823702010b")
AUTHENTICODE_OPUS = bytes.fromhex("2b06010401823702010c")


class Algorithm(NamedTuple):
    """The name Python's hashlib or this package has for it, and by what a kernel shows that it knows it."""

    name: str
    feature: str | None = None


DIGESTS = {
    bytes.fromhex("2b0e03021a"): Algorithm("sha1"),
    bytes.fromhex("608648016503040201"): Algorithm("sha256"),
    bytes.fromhex("608648016503040202"): Algorithm("sha384"),
    bytes.fromhex("608648016503040203"): Algorithm("sha512"),
    bytes.fromhex("608648016503040204"): Algorithm("sha224"),
    bytes.fromhex("608648016503040208"): Algorithm("sha3_256", "signature-sha3"),
    bytes.fromhex("608648016503040209"): Algorithm("sha3_384", "signature-sha3"),
    bytes.fromhex("60864801650304020a"): Algorithm("sha3_512", "signature-sha3"),
    bytes.fromhex("2a864886f70d0204"): Algorithm("md4", "signature-md5"),
    bytes.fromhex("2a864886f70d0205"): Algorithm("md5", "signature-md5"),
}

RSA, ECDSA = "rsa", "ecdsa"

SIGNATURES = {
    bytes.fromhex("2a864886f70d010101"): Algorithm(RSA),
    **{
        bytes.fromhex(f"2a8648ce3d0403{last}"): Algorithm(ECDSA, "signature-ecdsa") for last in ("01", "02", "03", "04")
    },
    bytes.fromhex("2a8648ce3d0401"): Algorithm(ECDSA, "signature-ecdsa"),
    **{bytes.fromhex(f"6086480165030403{last}"): Algorithm(ECDSA, "signature-sha3") for last in ("0a", "0b", "0c")},
    **{
        bytes.fromhex(f"6086480165030403{last}"): Algorithm("ml-dsa", "signature-ml-dsa") for last in ("11", "12", "13")
    },
}
