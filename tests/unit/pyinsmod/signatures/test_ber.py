"""Bytes that are no message first, then the forms that the kernel's decoder takes though nobody writes them."""

from __future__ import annotations

import pytest

from pyinsmod.signatures.ber import Decoder, Match, NotDecoded, Note, OneOfThem, Value

INTEGER, OCTETS, SEQUENCE = 0x02, 0x04, 0x30
TWO_NUMBERS = (Match(SEQUENCE, inner=(Match(INTEGER, note="first"), Match(INTEGER, "optional", note="second"))),)
NUMBERS = (Match(SEQUENCE, inner=(Match(INTEGER, note="number"),), repeated=True, end_note="end"),)
BOTH = [("number", b"\5"), ("number", b"\6"), ("end", b"\2\1\5\2\1\6")]
ANYTHING = (Match(None, note="any"),)
EITHER = (
    Match(INTEGER, "alternative", note="number"),
    Match(OCTETS, "alternative", note="text"),
    OneOfThem(),
    Note("either"),
)


def noted(data: bytes, grammar: tuple[Match | Note | OneOfThem, ...]) -> list[tuple[str, bytes]]:
    """Return the notes in their order, each with the contents it is told."""
    found: list[tuple[str, bytes]] = []

    def note(name: str, value: Value) -> None:
        found.append((name, data[value.start : value.start + value.length]))

    Decoder(data, note).decode(grammar)
    return found


@pytest.mark.parametrize(
    ("data", "grammar", "why"),
    [
        (b"", TWO_NUMBERS, "beyond what encloses it"),
        (b"\x30", TWO_NUMBERS, "beyond what encloses it"),
        (b"\x3f\x01\x00", TWO_NUMBERS, "a tag of more than one byte"),
        (b"\x31\x03\x02\x01\x05", TWO_NUMBERS, "tag 0x31 instead of 0x30"),
        (b"\x30\x04\x02\x01\x05", TWO_NUMBERS, "beyond what encloses it"),
        (b"\x30\x03\x02\x02\x05", TWO_NUMBERS, "beyond what encloses it"),
        (b"\x30\x07\x02\x01\x05\x04\x02\x00\x00", TWO_NUMBERS, "does not end where its contents end"),
        (b"\x30\x83\x00\x00\x03\x02\x01\x05", TWO_NUMBERS, "a length of 3 bytes"),
        (b"\x30\x82\x00", TWO_NUMBERS, "beyond what encloses it"),
        (b"\x30\x04\x02\x80\x00\x00", TWO_NUMBERS, "a simple element of indefinite length"),
        (b"\x30\x80\x02\x01\x05", TWO_NUMBERS, "beyond what encloses it"),
        (b"\x30\x80\x02\x01\x05\x01\x00", TWO_NUMBERS, "an element of indefinite length has no end"),
        (b"\x30\x80\x02\x01\x05\x00", NUMBERS, "beyond what encloses it"),
        (b"\x31\x01\x00", EITHER, "none of the elements that may stand there"),
        (b"\x30\x80", ANYTHING, "beyond what encloses it"),
        (b"\x30\x80\x02\x01", ANYTHING, "beyond what encloses it"),
        (b"\x30\x80\x02\x01\x05\x00", ANYTHING, "an element of indefinite length has no end"),
        (b"\x30\x80\x00\x01", ANYTHING, "an end mark that is none"),
        (b"\x30\x80\x02\x80\x00\x00\x00\x00", ANYTHING, "a simple element of indefinite length"),
        (b"\x30\x80\x02\x82\x00", ANYTHING, "beyond what encloses it"),
        (b"\x30\x80\x1f\x81", ANYTHING, "beyond what encloses it"),
    ],
)
def test_what_does_not_fit_is_refused(data: bytes, grammar: tuple[Match, ...], why: str) -> None:
    with pytest.raises(NotDecoded, match=why) as refused:
        noted(data, grammar)
    assert refused.value.errno == "EBADMSG"


def test_a_message_longer_than_the_kernel_reads_is_not_begun() -> None:
    assert noted(b"\x04\x82\xff\xfb" + bytes(0xFFFB), ANYTHING)
    with pytest.raises(NotDecoded, match="65536 bytes of signature") as refused:
        noted(bytes(0x10000), ANYTHING)
    assert refused.value.errno == "EMSGSIZE"


@pytest.mark.parametrize(
    ("data", "grammar", "notes"),
    [
        (b"\x30\x03\x02\x01\x05", TWO_NUMBERS, [("first", b"\5")]),
        (b"\x30\x06\x02\x01\x05\x02\x01\x06", TWO_NUMBERS, [("first", b"\5"), ("second", b"\6")]),
        # Lengths written longer than need be, and none at all.
        (b"\x30\x82\x00\x04\x02\x81\x01\x05", TWO_NUMBERS, [("first", b"\5")]),
        (b"\x30\x80\x02\x01\x05\x02\x01\x06\x00\x00", NUMBERS, BOTH),
        (b"\x30\x06\x02\x01\x05\x02\x01\x06", NUMBERS, BOTH),
        # A constructed element may be tagged as a simple one.
        (b"\x10\x03\x02\x01\x05", TWO_NUMBERS, [("first", b"\5")]),
        # Nobody looks into what may be anything, but for where it ends.
        (b"\x30\x80\x02\x01\x05\x00\x00rest", ANYTHING, [("any", b"\2\1\5\0\0")]),
        (b"\x30\x80\x30\x80\x00\x00\x1f\x81\x01\x81\x01\x09\x00\x00", ANYTHING,
         [("any", b"\x30\x80\0\0\x1f\x81\1\x81\1\x09\0\0")]),
        (b"\x02\x01\x05", EITHER, [("number", b"\5"), ("either", b"\5")]),
        (b"\x04\x01x", EITHER, [("text", b"x"), ("either", b"x")]),
    ],
)  # fmt: skip
def test_what_fits_is_told_in_its_order(
    data: bytes, grammar: tuple[Match, ...], notes: list[tuple[str, bytes]]
) -> None:
    assert noted(data, grammar) == notes


def test_a_note_about_an_element_that_was_not_there_is_not_taken() -> None:
    """Only a constructed one counts as having been there (FLAG_LAST_MATCHED is set on the way back from it)."""
    optional = Match(SEQUENCE, "optional", inner=(Match(INTEGER),))
    grammar = (Match(INTEGER), optional, Note("sequence", only_if_matched=True), Note("end"))
    assert [name for name, _ in noted(b"\2\1\5", grammar)] == ["end"]
    assert [name for name, _ in noted(b"\2\1\5\x30\3\2\1\6", grammar)] == ["sequence", "end"]
