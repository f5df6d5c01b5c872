"""X.509 certificates: those built into a kernel image, and those that come along with a signature.

A certificate is read as far as verifying with it needs: whom it names, and its public key (RFC 5280). That
it is signed itself is nobody's concern here: the kernel trusts what is in its keyrings.
"""

from __future__ import annotations

import re

from pyinsmod.der import (
    BIT_STRING,
    INTEGER,
    OCTET_STRING,
    OID,
    SEQUENCE,
    DerError,
    Element,
    read_children,
    read_element,
)
from pyinsmod.kernel_facts.facts import TrustedKey

# How every version 3 certificate begins: two SEQUENCEs of 256 bytes or more, [0] { INTEGER 2 }, INTEGER.
BEGINNING = re.compile(rb"\x30\x82..\x30\x82..\xa0\x03\x02\x01\x02\x02", re.DOTALL)

# `system_certificate_list` of a distribution holds one to a handful.
MOST_CERTIFICATES = 256

COMMON_NAME = bytes.fromhex("550403")
SUBJECT_KEY_IDENTIFIER = bytes.fromhex("551d0e")
RSA_ENCRYPTION = bytes.fromhex("2a864886f70d010101")
EC_PUBLIC_KEY = bytes.fromhex("2a8648ce3d0201")
CURVES = {
    bytes.fromhex("2a8648ce3d030107"): "P-256",
    bytes.fromhex("2b81040022"): "P-384",
    bytes.fromhex("2b81040023"): "P-521",
}
EXTENSIONS = 0xA3
UNCOMPRESSED = b"\x04"


def certificates_in(image: bytes) -> tuple[TrustedKey, ...]:
    """Return the certificates in a kernel image, in its order: the built-in trusted keyring.

    `image` is the unpacked vmlinux (certs/system_certificates.S puts them there as they are) or a part of it.
    """
    keys: list[TrustedKey] = []
    for match in BEGINNING.finditer(image):
        try:
            key = certificate(image, match.start(), len(image))
        except DerError:
            continue
        if key not in keys:
            keys.append(key)
        if len(keys) == MOST_CERTIFICATES:
            break
    return tuple(keys)


def certificate(data: bytes, at: int, end: int) -> TrustedKey:
    """Read the certificate at `at`.

    Returns:
        whom it names and its key; a key of another kind than RSA and the three NIST curves is left out.

    Raises:
        DerError: it is no certificate.
    """
    whole = read_element(data, at, end, SEQUENCE)
    parts = read_children(data, whole)
    if [part.tag for part in parts] != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise DerError("not the three parts of a certificate")
    fields = read_children(data, parts[0])
    if fields and fields[0].tag == 0xA0:  # the version, left out when it is 1
        del fields[0]
    if [field.tag for field in fields[:6]] != [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]:
        raise DerError("not the fields of a certificate")
    serial, _algorithm, issuer, _validity, subject, public_key = fields[:6]
    named = TrustedKey(
        common_name(subject.whole(data)),
        issuer.whole(data),
        serial.contents(data),
        _subject_key_identifier(data, fields[6:]),
    )
    return _with_public_key(named, data, public_key)


def common_name(name: bytes) -> str:
    """Return the common name in the DER of a name, else its last part; empty when there is none.

    Raises:
        DerError: it is no name.
    """
    values: dict[bytes, bytes] = {}
    for relative in read_children(name, read_element(name, 0, len(name), SEQUENCE)):
        for pair in read_children(name, relative):
            kind, value = _pair(name, pair)
            values[kind] = value
    found = values.get(COMMON_NAME) or next(reversed(values.values()), b"")
    return found.decode("utf-8", "surrogateescape")


def _pair(data: bytes, parent: Element) -> tuple[bytes, bytes]:
    """Return an object identifier and the value that stands beside it."""
    children = read_children(data, parent)
    if not children or children[0].tag != OID:
        raise DerError("no object identifier")
    return children[0].contents(data), children[-1].contents(data)


def _subject_key_identifier(data: bytes, rest: list[Element]) -> bytes:
    """Return the key identifier of the extensions: what a signature may name the key by."""
    for extensions in (element for element in rest if element.tag == EXTENSIONS):
        for extension in read_children(data, read_element(data, extensions.start, extensions.end, SEQUENCE)):
            kind, value = _pair(data, extension)
            if kind == SUBJECT_KEY_IDENTIFIER:
                return read_element(value, 0, len(value), OCTET_STRING).contents(value)
    return b""


def _with_public_key(named: TrustedKey, data: bytes, info: Element) -> TrustedKey:
    children = read_children(data, info)
    if [child.tag for child in children] != [SEQUENCE, BIT_STRING]:
        raise DerError("no public key")
    algorithm, parameters = _pair(data, children[0])
    key = children[1].contents(data)[1:]  # the first byte counts the unused bits: none
    if algorithm == RSA_ENCRYPTION:
        numbers = read_children(key, read_element(key, 0, len(key), SEQUENCE))
        if [number.tag for number in numbers] != [INTEGER, INTEGER]:
            raise DerError("no RSA key")
        modulus, exponent = (int.from_bytes(number.contents(key), "big") for number in numbers)
        return named._replace(modulus=modulus, exponent=exponent)
    if algorithm == EC_PUBLIC_KEY and parameters in CURVES and key[:1] == UNCOMPRESSED:
        return named._replace(curve=CURVES[parameters], point=key[1:])
    return named
