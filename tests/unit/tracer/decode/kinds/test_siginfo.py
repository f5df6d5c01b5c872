"""Why a signal came: struct siginfo, packed here as the kernel lays it out."""

from __future__ import annotations

import struct

import pytest

from tracer.decode.kinds.siginfo import show_siginfo, siginfo


def packed(number: int, code: int, union: bytes, errno: int = 0) -> bytes:
    return (struct.pack("<3i4x", number, errno, code) + union).ljust(128, b"\0")


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (bytes(128), "{}"),
        (packed(15, 0, struct.pack("<iI", 7, 1000)), "{si_signo=SIGTERM, si_code=SI_USER, si_pid=7, si_uid=1000}"),
        (packed(15, -6, struct.pack("<iI", 7, 0)), "{si_signo=SIGTERM, si_code=SI_TKILL, si_pid=7, si_uid=0}"),
        (
            packed(17, 1, struct.pack("<iIi4xqq", 7, 0, 3, 0, 12)),
            (
                "{si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=7, si_uid=0, si_status=3, "
                "si_utime=0, si_stime=12 /* 0.12 s */}"
            ),
        ),
        (
            packed(17, 2, struct.pack("<iIi4xqq", 7, 0, 9, 0, 0)),
            "{si_signo=SIGCHLD, si_code=CLD_KILLED, si_pid=7, si_uid=0, si_status=SIGKILL, si_utime=0, si_stime=0}",
        ),
        (packed(11, 1, struct.pack("<Q", 0)), "{si_signo=SIGSEGV, si_code=SEGV_MAPERR, si_addr=NULL}"),
        (packed(14, 128, b""), "{si_signo=SIGALRM, si_code=SI_KERNEL}"),
        (
            packed(34, -1, struct.pack("<iIq", 7, 0, 5)),
            "{si_signo=SIGRT_2, si_code=SI_QUEUE, si_pid=7, si_uid=0, si_int=5, si_ptr=0x5}",
        ),
        (packed(15, 99, b"", errno=5), "{si_signo=SIGTERM, si_code=0x63, si_errno=5}"),
    ],
)
def test_siginfo(data: bytes, text: str) -> None:
    assert show_siginfo(siginfo(data)) == text
