"""Records of /dev/kmsg, read through a socket that keeps their borders as the device does."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyinsmod import kernel_log
from pyinsmod.kernel_log import KernelLog, parse_record


@pytest.fixture
def pair() -> Iterator[tuple[KernelLog, socket.socket]]:
    reader, writer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    reader.setblocking(False)
    with reader, writer:
        yield KernelLog(reader.fileno()), writer


@pytest.mark.parametrize("raw", [b"", b"text", b"6,1;x", b"a,b,c,-;x\n"])
def test_what_is_no_record_is_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="not a record"):
        parse_record(raw)


def test_a_path_that_is_no_log_gives_no_cursor(tmp_path: Path) -> None:
    assert KernelLog.from_now_on(str(tmp_path / "missing")) is None


def test_a_record_has_its_parts_and_its_escapes_undone() -> None:
    record = parse_record(
        b"4,339,5140900,-,caller=T1;hello: Unknown symbol f\\x0aoo\\x5c (err -2)\n SUBSYSTEM=module\n"
    )
    assert record == (4, 0, 339, 5140900, "-", "hello: Unknown symbol f\noo\\ (err -2)", "T1")
    assert record.from_kernel


def test_a_line_a_program_wrote_is_told_from_the_kernels() -> None:
    record = parse_record(b"12,1,2,-;forged: version magic\n")
    assert (record.level, record.facility, record.from_kernel) == (4, 1, False)


def test_records_are_collected_in_order_and_once(pair: tuple[KernelLog, socket.socket]) -> None:
    log, writer = pair
    writer.send(b"6,1,10,-;one\n")
    writer.send(b"damaged")
    writer.send(b"6,2,11,-;two\n")
    assert [record.text for record in log.collect(settle=0)] == ["one", "two"]
    assert log.collect(settle=0) == ()


def test_a_flood_of_records_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_log, "LONGEST_SECONDS", 0.05)
    monkeypatch.setattr(os, "read", lambda *_: b"6,1,1,-;again\n")
    assert KernelLog(-1).collect()[0].text == "again"
