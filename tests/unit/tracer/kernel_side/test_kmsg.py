from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyinsmod.kernel_log import parse_record
from tracer.kernel_side.kmsg import log_record


@pytest.mark.parametrize("raw", [b"", b"no head", b"6;text", b"a,b,c,-;text"])
def test_what_the_kernel_never_writes_is_an_error(raw: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any of int()'s and of the unpacking's
        log_record(parse_record(raw), 0)


def test_a_line_of_a_real_log() -> None:
    raw = b"4,512,9216387,-,caller=T105;mymod: module verification failed\n SUBSYSTEM=module\n DEVICE=+module:mymod\n"
    assert log_record(parse_record(raw), 1000) == {
        "type": "log",
        "t": 9_216_388_000,
        "sequence": 512,
        "level": 4,
        "text": "mymod: module verification failed",
    }


def test_facility_and_level_are_told_apart() -> None:
    assert log_record(parse_record(b"30,1,1,-;from user space\n"), 0)["level"] == 6


@given(st.binary().filter(lambda text: b"\n" not in text))
def test_any_bytes_of_a_message_become_text(message: bytes) -> None:
    assert isinstance(log_record(parse_record(b"6,1,1,-;" + message + b"\n"), 0)["text"], str)
