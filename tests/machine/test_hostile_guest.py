"""A guest that is hostile has the channel to the host: it can say whatever it likes, and reaches nothing by it."""

from __future__ import annotations

import pytest

from tests.machine.conftest import InMachine
from vm import conversation
from vm.errors import MachineLost

pytestmark = pytest.mark.machine

PROGRAM = """
import json, time, zlib
from vm.guest import frames
with open("/dev/ttyS1", "wb", buffering=0) as channel:
    def say(kind, payload=b""):
        channel.write(frames.encode(kind, payload))
    {what}
time.sleep(60)
"""
FILE = 'say(frames.FILE, json.dumps({"path": "/root/asked", "size": 1}).encode())'
NO_STREAM = FILE + '; say(frames.DATA, b"no stream"); say(frames.EXIT, b"{}")'
BOMB = FILE + '; say(frames.DATA, zlib.compress(bytes(64 << 20), 9)); say(frames.EXIT, b"{}")'


@pytest.mark.parametrize(
    ("what", "complaint"),
    [
        ("channel.write(bytes(64))", "the channel to the guest is damaged"),
        ("channel.write(frames.HEADER.pack(b'O', 1 << 31, 0))", "the channel to the guest is damaged"),
        ("say(frames.EXIT, b'[1]')", "makes no sense: TypeError"),
        ("say(frames.EXIT, b'not JSON')", "makes no sense: JSONDecodeError"),
        ("say(frames.EXIT, b'[' * 100000)", "makes no sense: RecursionError"),
        ("say(frames.EXIT, json.dumps({'status': 'zero'}).encode())", "makes no sense: ValueError"),
        ("say(frames.ACK, b'x')", "makes no sense: error"),
        ("say(frames.FILE, b'{}')", "makes no sense: KeyError"),
        ("say(frames.FILE, json.dumps({'path': '../../etc/passwd'}).encode())", "makes no sense: ValueError"),
        (NO_STREAM, "makes no sense: error"),
        (BOMB, "the guest sends too much: /root/asked has more than 32 MiB"),
        ("[say(frames.STDOUT, bytes(1 << 16)) for _ in range(64)]", "sends too much: more than 1 MiB"),
    ],
)
def test_what_it_says_ends_its_machine_and_nothing_else(
    in_machine: InMachine, monkeypatch: pytest.MonkeyPatch, what: str, complaint: str
) -> None:
    monkeypatch.setattr(conversation, "LARGEST_FILE", 32 << 20)
    monkeypatch.setattr(conversation, "LARGEST_ANSWER", 1 << 20)
    with pytest.raises(MachineLost, match=complaint):
        in_machine(["python3", "-c", PROGRAM.replace("{what}", what)], get=["/root/asked"])
