"""The connector's messages, held against pyroute2's parser."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyroute2.netlink.connector.cn_proc import ProcEventMarshal

from tracer.watch.process_events import ProcessEvent, parsed

FORK, EXEC, UID, EXIT = 0x1, 0x2, 0x4, 0x80000000
NUMBERS = st.integers(1, 1 << 22)


def message(what: int, *numbers: int) -> bytes:
    """Make a message as cn_proc.c does: netlink's header, the connector's, the event, whose union is 24 bytes long."""
    event = struct.pack("=IIQ", what, 0, 12345) + struct.pack(f"={len(numbers)}I", *numbers).ljust(24, b"\0")
    connector = struct.pack("=IIIIHH", 1, 1, 0, 0, len(event), 0)
    return struct.pack("=IHHII", 16 + len(connector + event), 3, 0, 0, 0) + connector + event


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 36, b"\0" * 200, message(FORK, 1, 1, 2, 2)[:-28], message(UID, 5, 5, 0, 0)]
)
def test_what_says_nothing_about_processes_is_passed_over(data: bytes) -> None:
    assert parsed(data) is None


def test_threads_are_no_processes() -> None:
    assert parsed(message(FORK, 1, 1, 12, 10)) is None
    assert parsed(message(EXIT, 12, 10, 0, 17, 1, 1)) is None


@given(NUMBERS, NUMBERS)
def test_as_pyroute2_reads_it(parent: int, child: int) -> None:
    fork, execution = message(FORK, parent, parent, child, child), message(EXEC, child, child)
    (theirs,) = ProcEventMarshal().parse(fork)
    assert parsed(fork) == ProcessEvent("fork", theirs["child_tgid"], theirs["parent_tgid"])
    (theirs,) = ProcEventMarshal().parse(execution)
    assert parsed(execution) == ProcessEvent("exec", theirs["process_tgid"])
    (theirs,) = ProcEventMarshal().parse(message(EXIT, child, child, 0, 17, parent, parent))
    assert parsed(message(EXIT, child, child, 0, 17, parent, parent)) == ProcessEvent("exit", theirs["process_tgid"])


@given(st.binary(max_size=120))
def test_any_bytes_are_survived(data: bytes) -> None:
    parsed(data)
