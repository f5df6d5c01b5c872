"""The grammar of a PKCS#7 message (RFC 2315, RFC 5652) with the notes that the kernel takes of it. Data only.

What is wider or narrower than the standards is so in the kernel (crypto/asymmetric_keys/pkcs7.asn1).
"""

from __future__ import annotations

from pyinsmod.der import INTEGER, OCTET_STRING, OID, SEQUENCE, SET
from pyinsmod.signatures.ber import Item, Match, Need, Note, OneOfThem

# [0] to [3], around other elements; and [0] in place of an OCTET STRING.
CONTEXT, SIMPLE_CONTEXT = (0xA0, 0xA1, 0xA2, 0xA3), 0x80


def _sequence(*inner: Item, end_note: str | None = None) -> Match:
    return Match(SEQUENCE, inner=inner, end_note=end_note)


def _many(tag: int, *inner: Item, need: Need = "required") -> Match:
    return Match(tag, need, inner=inner, repeated=True)


def _set_or_sequence(*inner: Item) -> tuple[Item, ...]:
    return _many(SET, *inner, need="optional"), _many(SEQUENCE, *inner, need="alternative"), OneOfThem()


ALGORITHM = _sequence(Match(OID, note="oid"), Match(None, "optional"))

CERTIFICATE = Match(None, note="certificate")
CERTIFICATES: tuple[Item, ...] = (
    _many(CONTEXT[0], Match(None, "optional", "certificate"), Match(None, "alternative", "certificate"), OneOfThem(),
          need="optional"),
    _many(CONTEXT[2], CERTIFICATE, need="alternative"),
)  # fmt: skip
REVOCATION_LISTS: tuple[Item, ...] = (
    _many(CONTEXT[1], _many(SEQUENCE, CERTIFICATE), need="optional"),
    _many(CONTEXT[3], _many(SEQUENCE, CERTIFICATE), need="alternative"),
)

NAME_PART = _sequence(Match(OID, note="oid"), Match(None))
NAME = _many(SEQUENCE, _many(SET, NAME_PART))
SIGNER: tuple[Item, ...] = (
    Match(SEQUENCE, "optional", inner=(NAME, Note("issuer"), Match(INTEGER), Note("serial"))),
    Match(SIMPLE_CONTEXT, "alternative", "key_id"),
    OneOfThem(),
)

ATTRIBUTE = _sequence(Match(OID, note="oid"), _many(SET, Match(None, note="attribute")))
UNSIGNED_ATTRIBUTE = _sequence(Match(OID), _many(SET, Match(None)))
ATTRIBUTES: tuple[Item, ...] = (
    _many(CONTEXT[0], ATTRIBUTE, need="optional"),
    Note("attributes", only_if_matched=True),
    Match(CONTEXT[2], "alternative", inner=(_many(SEQUENCE, ATTRIBUTE),)),
)
UNSIGNED_ATTRIBUTES: tuple[Item, ...] = (
    _many(CONTEXT[1], UNSIGNED_ATTRIBUTE, need="optional"),
    _many(CONTEXT[3], UNSIGNED_ATTRIBUTE, need="alternative"),
)

SIGNER_INFO = _sequence(
    Match(INTEGER, note="signer_version"),
    *SIGNER,
    ALGORITHM,
    Note("digest_algorithm"),
    *ATTRIBUTES,
    ALGORITHM,
    Note("signature_algorithm"),
    Match(OCTET_STRING, note="signature"),
    *UNSIGNED_ATTRIBUTES,
    end_note="signer",
)

SIGNED_DATA = _sequence(
    Match(INTEGER, note="version"),
    *_set_or_sequence(ALGORITHM),
    _sequence(
        Match(OID, note="oid"),
        Match(CONTEXT[0], "optional", inner=(Match(None, note="data"),)),
    ),
    Note("content_type"),
    *CERTIFICATES,
    *REVOCATION_LISTS,
    *_set_or_sequence(SIGNER_INFO),
)

MESSAGE: tuple[Item, ...] = (
    _sequence(
        Match(OID, note="oid"),
        Note("message_type"),
        Match(CONTEXT[0], "optional", inner=(SIGNED_DATA,)),
    ),
)
