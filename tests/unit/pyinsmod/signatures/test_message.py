"""PKCS#7 as the kernel reads it: the expected answers are those of real kernels to the same bytes.

One bit is changed in each byte of a message, up to where the signature itself begins.
"""

from __future__ import annotations

import pytest

from pyinsmod.signatures.ber import NotDecoded
from pyinsmod.signatures.message import parse_message
from tracer.experiments.signing import DETACHED, SigningKey, message, new_key

MODULE = b"not a module, but this is all the same to a signature"

# A message that `openssl cms -sign -binary -noattr -nocerts -nosmimecap` made, up to the signature of 256 bytes.
HEADER = bytes.fromhex(
    "3082018906092a864886f70d010702a082017a30820176020101310d300b0609608648016503040201300b06092a864886f7"
    "0d010701318201533082014f020101302a30133111300f06035504030c08736f6d65626f647902134d97dbe29999c4e0f639"
    "472134fd5e13d75079300b0609608648016503040201300d06092a864886f70d010101050004820100"
)
# Byte by byte what 6.1 answered, bit `offset % 8` being changed: B EBADMSG, I EINVAL, `.` it was loaded. The bytes in
# which names, serial number and algorithms stand change who has signed, or what, and not the form.
ANSWERS_OF_6_1 = (
    "BBBBBIIIIIIIIIIBBBBBBBBBIBBBBBBB.........BBBBIIIIIIIIIBBBBBBBBBIIBBBB.BBBBB....B........BB.........."
    "..........BBB.........BBBB..........BBBBB"
)
LETTERS = {"EBADMSG": "B", "EINVAL": "I", "ENOPKG": "."}


@pytest.fixture(scope="module")
def somebody() -> SigningKey:
    return new_key("somebody", "rsa:2048")


@pytest.fixture(scope="module")
def rsa_message(somebody: SigningKey) -> bytes:
    return message(MODULE, somebody)


def answer(data: bytes) -> str:
    try:
        parse_message(data)
    except NotDecoded as failure:
        return LETTERS.get(failure.errno, failure.errno)
    return "."


def test_every_byte_is_judged_as_a_real_kernel_does() -> None:
    answers = ""
    for offset in range(len(HEADER)):
        changed = bytearray(HEADER + bytes(256))
        changed[offset] ^= 1 << offset % 8
        answers += answer(bytes(changed))
    assert answers == ANSWERS_OF_6_1


def test_a_message_of_sign_file_names_its_signer_by_issuer_and_serial_number(rsa_message: bytes) -> None:
    (signer,) = parse_message(rsa_message).signers
    assert (signer.digest.name, signer.algorithm.name, len(signer.signature)) == ("sha256", "rsa", 256)
    assert b"somebody" in signer.issuer
    assert (len(signer.serial), signer.by_key_id, signer.attributes) == (19, False, False)
    assert signer.name == signer.serial + signer.issuer


def test_a_signer_may_be_named_by_a_key_identifier(somebody: SigningKey) -> None:
    (signer,) = parse_message(message(MODULE, somebody, options=(*DETACHED, "-keyid"))).signers
    assert signer.by_key_id
    assert signer.name == signer.key_id
    assert len(signer.key_id) == 20


@pytest.mark.parametrize(
    ("options", "errno", "log"),
    [
        # Loaded by 5.10 to 7.2, but for the unknown key.
        (("-binary", "-noattr"), "", ""),
        # All of these were refused so by 5.10 to 7.2.
        (("-binary", "-nocerts"), "EKEYREJECTED", "PKCS7: S/MIME Caps only allowed with Authenticode"),
    ],
)
def test_what_openssl_adds_by_itself(somebody: SigningKey, options: tuple[str, ...], errno: str, log: str) -> None:
    data = message(MODULE, somebody, options=options)
    if not errno:
        assert [found.subject for found in parse_message(data).certificates] == ["somebody"]
        return
    with pytest.raises(NotDecoded) as caught:
        parse_message(data)
    assert (caught.value.errno, caught.value.log) == (errno, log)


def test_attributes_and_data_are_noted(somebody: SigningKey) -> None:
    attributes = parse_message(message(MODULE, somebody, options=("-binary", "-nocerts", "-nosmimecap")))
    assert attributes.signers[0].attributes
    assert parse_message(message(MODULE, somebody, options=(*DETACHED, "-nodetach"))).has_data


# Of attributes that openssl makes: contents' type, signing time, digest of the contents; 1.2.840.113549.1.9.x each.
TYPE, TIME, DIGEST, UNKNOWN = (bytes.fromhex("06092a864886f70d0109") + bytes([last]) for last in (3, 5, 4, 0x2C))
DATA = bytes.fromhex("06092a864886f70d010701")


@pytest.mark.parametrize(
    ("old", "new", "errno", "why"),
    [
        (DIGEST, TIME, "EKEYREJECTED", "an attribute that comes twice"),
        (TYPE, DIGEST, "EBADMSG", "a message digest that is none"),
        (DIGEST, UNKNOWN, "EBADMSG", "attributes without the digest"),
        (TYPE, UNKNOWN, "EBADMSG", "attributes without the digest"),
        (TIME, TYPE, "EKEYREJECTED", "an attribute that comes twice"),
        (b"\x17\x0d", b"\x18\x0d", "EBADMSG", "a signing time that is none"),
    ],
)
def test_attributes_are_judged_one_by_one(somebody: SigningKey, old: bytes, new: bytes, errno: str, why: str) -> None:
    """`pkcs7_sig_note_authenticated_attr`, `pkcs7_sig_note_set_of_authattrs`."""
    data = message(MODULE, somebody, options=("-binary", "-nocerts", "-nosmimecap"))
    assert data.count(old) == 1
    refused(data.replace(old, new), errno, why)


def test_attributes_are_for_the_type_of_contents_that_the_message_has(somebody: SigningKey) -> None:
    data = message(MODULE, somebody, options=("-binary", "-nocerts", "-nosmimecap"))
    at = data.rindex(DATA)
    assert at > data.index(DATA)
    refused(
        data[:at] + DATA[:-1] + b"\x06" + data[at + len(DATA) :], "EBADMSG", "attributes for another type of content"
    )


@pytest.mark.parametrize(
    ("options", "errno", "why"),
    [
        (("-noattr", "-econtent_type", "1.3.6.1.4.1.311.2.1.4"), "EBADMSG", "Authenticode without attributes"),
        (("-noattr", "-econtent_type", "1.2.3.4"), "EINVAL", "not a signature of plain data"),
    ],
)
def test_contents_of_another_type_are_said_to_be_so(
    somebody: SigningKey, options: tuple[str, ...], errno: str, why: str
) -> None:
    refused(message(MODULE, somebody, options=("-binary", "-nocerts", "-keyid", *options)), errno, why)


def test_a_signer_of_version_1_wants_a_message_of_version_1(somebody: SigningKey) -> None:
    options = ("-binary", "-nocerts", "-noattr", "-econtent_type", "1.3.6.1.4.1.311.2.1.4")
    refused(message(MODULE, somebody, options=options), "EBADMSG", "signer and message are of different versions")


def refused(data: bytes, errno: str, why: str) -> None:
    with pytest.raises(NotDecoded) as caught:
        parse_message(data)
    assert (caught.value.errno, caught.value.why) == (errno, why)


def test_an_algorithm_the_kernel_does_not_know_makes_it_unsigned(rsa_message: bytes) -> None:
    with pytest.raises(NotDecoded) as caught:
        parse_message(rsa_message, lambda algorithm: algorithm.name != "rsa")
    assert caught.value.errno == "ENOPKG"


def test_what_follows_a_message_is_not_looked_at(rsa_message: bytes) -> None:
    assert parse_message(rsa_message + b"more").signers == parse_message(rsa_message).signers


@pytest.mark.parametrize("size", [0, 1, 2, 19, 100])
def test_a_message_that_is_cut_off_is_ebadmsg(rsa_message: bytes, size: int) -> None:
    assert answer(rsa_message[:size]) == "B"


def test_a_message_of_more_than_64_kib_has_an_errno_of_its_own() -> None:
    assert answer(bytes(0x10000)) == "EMSGSIZE"


def test_lengths_may_be_indefinite_as_in_ber() -> None:
    # ContentInfo of indefinite length with nothing but its type in it: no signer, which is noticed last.
    assert answer(bytes.fromhex("3080 06092a864886f70d010702 0000")) == "I"
    assert answer(bytes.fromhex("3080 06092a864886f70d010702")) == "B"
