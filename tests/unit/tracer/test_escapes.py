"""Bytes as text, and back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracer.escapes import escaped, unescaped, without_surrogates


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"plain\n", "plain\n"),
        (b"\x7fELF\x02\x01\x00", "\x7fELF\x02\x01\x00"),
        (b"\xff\xfe", "\\xff\\xfe"),
        ("ä€".encode(), "ä€"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),  # a surrogate in UTF-8 is no text
        (b"a\\xff", "a\\\\xff"),
        ("ä".encode()[:1], "\\xc3"),
    ],
)
def test_text_stays_and_the_rest_is_escaped(data: bytes, text: str) -> None:
    assert escaped(data) == text


@given(st.binary() | st.text(alphabet="\\xfa0ä").map(str.encode))
def test_no_byte_is_lost(data: bytes) -> None:
    assert unescaped(json.loads(json.dumps(escaped(data)))) == data


@given(st.binary())
def test_escaped_text_can_be_encoded_everywhere(data: bytes) -> None:
    escaped(data).encode("utf-8")


def test_text_of_ours_keeps_its_backslashes() -> None:
    assert without_surrogates("C:\\x \udcff") == "C:\\x \\xff"
