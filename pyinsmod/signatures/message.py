"""The notes the kernel takes of a PKCS#7 message, and what makes it give up (crypto/asymmetric_keys/pkcs7_parser.c)."""

from __future__ import annotations

from pyinsmod.certificates import certificate
from pyinsmod.der import OCTET_STRING, SEQUENCE, DerError
from pyinsmod.kernel_facts.facts import TrustedKey
from pyinsmod.lean import Callable, NamedTuple
from pyinsmod.signatures import algorithms
from pyinsmod.signatures.algorithms import Algorithm
from pyinsmod.signatures.ber import Decoder, NotDecoded, Value
from pyinsmod.signatures.grammar import MESSAGE
from pyinsmod.signatures.signing_time import is_time

ONLY_IN_AUTHENTICODE = {
    algorithms.SMIME_CAPABILITIES: "PKCS7: S/MIME Caps only allowed with Authenticode",
    algorithms.AUTHENTICODE_OPUS: "PKCS7: Authenticode AuthAttrs only allowed with Authenticode",
    algorithms.AUTHENTICODE_STATEMENT: "PKCS7: Authenticode AuthAttrs only allowed with Authenticode",
}
ONLY_ONCE = {algorithms.CONTENT_TYPE, algorithms.SIGNING_TIME, algorithms.MESSAGE_DIGEST, *ONLY_IN_AUTHENTICODE}


class SignerInfo(NamedTuple):
    """One signature of the message.

    The signer is named by the contents of the DER of its certificate's issuer with the serial number, or by a
    key identifier; `by_key_id` says which. `attributes` tells whether the message's own attributes are what is signed.
    """

    digest: Algorithm
    algorithm: Algorithm
    issuer: bytes
    serial: bytes
    key_id: bytes
    by_key_id: bool
    attributes: bool
    signature: bytes

    @property
    def name(self) -> bytes:
        """The bytes the kernel looks for among its keys (`asymmetric_key_generate_id`)."""
        return self.key_id if self.by_key_id else self.serial + self.issuer


class Message(NamedTuple):
    """A message the kernel's parser accepts. `has_data`: the signed data stand in it, which a module's must not."""

    content_type: bytes
    has_data: bool
    signers: tuple[SignerInfo, ...]
    certificates: tuple[TrustedKey, ...]


Knows = Callable[[Algorithm], bool]


def parse_message(data: bytes, knows: Knows = lambda _: True) -> Message:
    """Read a PKCS#7 message as the kernel does. `knows` tells whether that kernel has an algorithm.

    Raises:
        NotDecoded: the kernel gives up, with its errno.
    """
    parser = _Parser(data, knows)
    Decoder(data, parser.note).decode(MESSAGE)
    with_attributes = {signer.attributes for signer in parser.signers}
    if len(with_attributes) != 1:
        raise NotDecoded("EINVAL", "no signer in it, or some with attributes and some without",
                         "PKCS7: Inconsistently supplied authAttrs")  # fmt: skip
    return Message(parser.content_type, parser.has_data, tuple(parser.signers), tuple(parser.certificates))


class _Parser:
    """Everything noted so far. The note NAME of the grammar is taken by the method `_note_NAME`."""

    def __init__(self, data: bytes, knows: Knows) -> None:
        self.data = data
        self.knows = knows
        self.oid = self.content_type = self.issuer = self.serial = self.key_id = self.signature = b""
        self.has_data = self.by_key_id = self.has_attributes = False
        self.version = 0
        self.digest: Algorithm | None = None
        self.algorithm: Algorithm | None = None
        self.attributes_seen: set[bytes] = set()
        self.certificates: list[TrustedKey] = []
        self.signers: list[SignerInfo] = []

    def note(self, name: str, value: Value) -> None:
        """Take the note of that name."""
        getattr(self, f"_note_{name}")(value, self.data[value.start : value.start + value.length])

    def _note_oid(self, _value: Value, contents: bytes) -> None:
        self.oid = contents

    def _note_message_type(self, _value: Value, _contents: bytes) -> None:
        if self.oid != algorithms.SIGNED_DATA:
            raise NotDecoded("EINVAL", "not a signed message", "PKCS7: Only support pkcs7_signedData type")

    def _note_version(self, _value: Value, contents: bytes) -> None:
        if contents not in (b"\x01", b"\x03"):
            raise NotDecoded("EINVAL", "a message of unknown version", "PKCS7: Unsupported SignedData version")
        self.version = contents[0]

    def _note_data(self, _value: Value, _contents: bytes) -> None:
        self.has_data = True

    def _note_content_type(self, _value: Value, _contents: bytes) -> None:
        if self.oid not in (algorithms.DATA, algorithms.AUTHENTICODE):
            raise NotDecoded("EINVAL", "not a signature of plain data", "PKCS7: Unsupported data type")
        self.content_type = self.oid

    def _note_certificate(self, value: Value, _contents: bytes) -> None:
        if value.tag != SEQUENCE:
            raise NotDecoded("EBADMSG", "a certificate that is none")
        try:
            found = certificate(self.data, value.start - value.header, value.start + value.length)
        except DerError as error:
            raise NotDecoded("EBADMSG", f"a certificate that is none: {error}") from error
        if not (found.modulus or found.curve):
            raise NotDecoded("ENOPKG", "a certificate of a kind of key that the kernel does not know")
        self.certificates.append(found)

    def _note_signer_version(self, _value: Value, contents: bytes) -> None:
        if contents not in (b"\x01", b"\x03"):
            raise NotDecoded("EINVAL", "a signer of unknown version", "PKCS7: Unsupported SignerInfo version")
        if (contents == b"\x01") != (self.version == 1):
            raise NotDecoded("EBADMSG", "signer and message are of different versions",
                             "PKCS7: SignedData-SignerInfo version mismatch")  # fmt: skip
        self.by_key_id = contents == b"\x03"

    def _note_issuer(self, _value: Value, contents: bytes) -> None:
        self.issuer = contents

    def _note_serial(self, _value: Value, contents: bytes) -> None:
        self.serial = contents

    def _note_key_id(self, _value: Value, contents: bytes) -> None:
        self.key_id = contents

    def _note_digest_algorithm(self, _value: Value, _contents: bytes) -> None:
        self.digest = self._known(algorithms.DIGESTS, "digest")

    def _note_signature_algorithm(self, _value: Value, _contents: bytes) -> None:
        self.algorithm = self._known(algorithms.SIGNATURES, "signature")

    def _known(self, table: dict[bytes, Algorithm], what: str) -> Algorithm:
        found = table.get(self.oid)
        if found is None or not self.knows(found):
            name = found.name if found else self.oid.hex()
            raise NotDecoded("ENOPKG", f"{what} algorithm {name}, which the kernel does not know")
        return found

    def _note_attribute(self, value: Value, contents: bytes) -> None:
        """`pkcs7_sig_note_authenticated_attr`: no kernel accepts a module with attributes, but each says why."""
        if self.oid in ONLY_ONCE:
            if self.oid in self.attributes_seen:
                raise NotDecoded("EKEYREJECTED", "an attribute that comes twice",
                                 "PKCS7: Repeated/multivalue AuthAttrs not permitted")  # fmt: skip
            self.attributes_seen.add(self.oid)
        if self.oid == algorithms.CONTENT_TYPE and contents != self.content_type:
            raise NotDecoded("EBADMSG", "attributes for another type of content")
        if self.oid == algorithms.SIGNING_TIME and not is_time(value.tag, contents):
            raise NotDecoded("EBADMSG", "a signing time that is none")
        if self.oid == algorithms.MESSAGE_DIGEST and value.tag != OCTET_STRING:
            raise NotDecoded("EBADMSG", "a message digest that is none")
        if self.oid in ONLY_IN_AUTHENTICODE and self.content_type != algorithms.AUTHENTICODE:
            raise NotDecoded("EKEYREJECTED", "an attribute for Windows programs", ONLY_IN_AUTHENTICODE[self.oid])

    def _note_attributes(self, _value: Value, _contents: bytes) -> None:
        if not {algorithms.CONTENT_TYPE, algorithms.MESSAGE_DIGEST} <= self.attributes_seen:
            raise NotDecoded("EBADMSG", "attributes without the digest", "PKCS7: Missing required AuthAttr")
        self.has_attributes = True

    def _note_signature(self, _value: Value, contents: bytes) -> None:
        self.signature = contents

    def _note_signer(self, _value: Value, _contents: bytes) -> None:
        """Keep the signer and begin the next with nothing but the names, which the kernel does not forget."""
        if self.content_type == algorithms.AUTHENTICODE and not self.has_attributes:
            raise NotDecoded("EBADMSG", "Authenticode without attributes", "PKCS7: Authenticode requires AuthAttrs")
        assert self.digest  # noqa: S101 - the grammar requires both before the end of a signer
        assert self.algorithm  # noqa: S101
        self.signers.append(
            SignerInfo(
                self.digest,
                self.algorithm,
                self.issuer,
                self.serial,
                self.key_id,
                self.by_key_id,
                self.has_attributes,
                self.signature,
            )
        )
        self.has_attributes, self.attributes_seen = False, set()
