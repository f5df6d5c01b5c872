"""Which times are times: the rows stand in the standard (X.509, RFC 5280 4.1.2.5), or in `x509_decode_time` alone."""

from __future__ import annotations

import pytest

from pyinsmod.signatures.signing_time import GENERALIZED_TIME, UTC_TIME, is_time


@pytest.mark.parametrize(
    ("tag", "text", "valid"),
    [
        (UTC_TIME, b"240229235959Z", True),
        (UTC_TIME, b"230229235959Z", False),
        (UTC_TIME, b"991231240000Z", True),  # midnight at the end of the day
        (UTC_TIME, b"161231235960Z", True),  # a leap second
        (UTC_TIME, b"161231235961Z", False),
        (UTC_TIME, b"691231000000Z", False),  # 1969
        (UTC_TIME, b"491231000000Z", True),  # 2049
        (UTC_TIME, b"001300000000Z", False),
        (UTC_TIME, b"2401010000Z", False),
        (UTC_TIME, b"240101000000+", False),
        (GENERALIZED_TIME, b"20500101000000Z", True),
        (GENERALIZED_TIME, b"20240101000000Z", False),  # has to be in the short form
        (0x04, b"240101000000Z", False),
    ],
)
def test_times(tag: int, text: bytes, valid: bool) -> None:
    assert is_time(tag, text) is valid
