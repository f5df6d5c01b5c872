"""Processes that begin, execute and end, as the kernel's process connector tells them (drivers/connector/cn_proc.c).

Every fork of the system comes by here, so the few bytes that matter are unpacked directly; a test holds this
against pyroute2's parser.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from typing import Literal, NamedTuple

NETLINK_CONNECTOR = 11  # linux/netlink.h
CN_IDX_PROC = CN_VAL_PROC = 1  # linux/connector.h
LISTEN = 1  # PROC_CN_MCAST_LISTEN
NLMSG_DONE = 3
BUFFER_SIZE = 4 << 20
MESSAGE_SIZE = 64 * 1024

_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr
_CONNECTOR = struct.Struct("=IIIIHH")  # struct cn_msg
_EVENT = struct.Struct("=IIQ")  # struct proc_event: what, cpu, timestamp
_FORK = struct.Struct("=IIII")
_TASK = struct.Struct("=II")
_EVENT_AT = _HEADER.size + _CONNECTOR.size
_DETAILS_AT = _EVENT_AT + _EVENT.size
_KINDS: dict[int, Literal["fork", "exec", "exit"]] = {0x1: "fork", 0x2: "exec", 0x80000000: "exit"}


class ProcessEvent(NamedTuple):
    """What happened to process `pid`; `parent` is who forked it (0 for other events)."""

    kind: Literal["fork", "exec", "exit"]
    pid: int
    parent: int = 0


class ProcessEvents:
    """The connector's messages from its creation on.

    Raises:
        OSError: this kernel has no process connector, or we may not listen (root, first network namespace).
    """

    def __init__(self) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_CONNECTOR)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_SIZE)
            self._socket.bind((0, CN_IDX_PROC))
            self._socket.send(_listening())
        except OSError:
            self._socket.close()
            raise
        self.lost = False

    def fileno(self) -> int:
        """Return the descriptor to wait for."""
        return self._socket.fileno()

    def waiting(self) -> Iterator[ProcessEvent]:
        """Yield what has come, without waiting."""
        while True:
            try:
                data = self._socket.recv(MESSAGE_SIZE)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: some were lost; /proc has to do for those
                self.lost = True
                continue
            event = parsed(data)
            if event is not None:
                yield event

    def close(self) -> None:
        """Stop listening: the kernel counts listeners by their sockets."""
        self._socket.close()


def parsed(data: bytes) -> ProcessEvent | None:
    """Return the event of a message; None for what is not about processes (threads come and go, too)."""
    if len(data) < _DETAILS_AT + _TASK.size or _CONNECTOR.unpack_from(data, _HEADER.size)[:2] != (
        CN_IDX_PROC,
        CN_VAL_PROC,
    ):
        return None
    what, _, _ = _EVENT.unpack_from(data, _EVENT_AT)
    kind = _KINDS.get(what)
    if kind is None:
        return None
    if kind == "fork":
        if len(data) < _DETAILS_AT + _FORK.size:
            return None
        _, parent, child, process = _FORK.unpack_from(data, _DETAILS_AT)
        return ProcessEvent("fork", process, parent) if child == process else None
    task, process = _TASK.unpack_from(data, _DETAILS_AT)
    return ProcessEvent(kind, process) if kind == "exec" or task == process else None


def _listening() -> bytes:
    payload = _CONNECTOR.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, 4, 0) + struct.pack("=I", LISTEN)
    return _HEADER.pack(_HEADER.size + len(payload), NLMSG_DONE, 0, 0, os.getpid()) + payload
