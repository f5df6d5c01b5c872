"""The kernel's uevents during a trace, parsed by pyroute2.

pyroute2's own socket class runs an event loop per thread; here one plain descriptor is wanted that
select(2) can wait for beside others, so the socket is opened bare and the messages go through pyroute2's parser.
"""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

from pyroute2.netlink.uevent import MarshalUevent

NETLINK_KOBJECT_UEVENT = 15  # linux/netlink.h
KERNEL_GROUP = 1  # group 2 carries udevd's copies
MESSAGE_SIZE = 16 * 1024
BUFFER_SIZE = 1 << 20


class Uevents:
    """Listens from its creation on; what came is parsed at the end, so that nobody waits for it."""

    def __init__(self) -> None:
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_KOBJECT_UEVENT)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_SIZE)
        self._socket.bind((0, KERNEL_GROUP))
        self.descriptor = self._socket.fileno()
        self._received: list[tuple[int, int | None, bytes]] = []

    def stop(self) -> list[dict[str, Any]]:
        """Return the uevent records and close the socket.

        A uevent that was collected late has the time of collecting as `t`, and as `sent_after` the last time at which
        it had not come yet.
        """
        self.collect()
        self._socket.close()
        parse = MarshalUevent().parse
        return [
            {"type": "uevent", "t": t, **_fields(message), **({} if after is None else {"sent_after": after})}
            for t, after, data in self._received
            for message in parse(data)
        ]

    def collect(self, after: int | None = None) -> None:
        """Take what has come; `after`: the time of the last look, when this one is late."""
        while True:
            try:
                data = self._socket.recv(MESSAGE_SIZE)
            except BlockingIOError:
                break
            except OSError as refusal:
                if refusal.errno == errno.ENOBUFS:  # more came than the socket holds: what is left is still there
                    continue
                raise
            self._received.append((time.monotonic_ns(), after, data))


def _fields(message: Any) -> dict[str, Any]:  # noqa: ANN401 - pyroute2 ships no types
    variables = {str(key): str(value) for key, value in message.items() if key != "header"}
    return {
        "action": variables.get("ACTION"),
        "devpath": variables.get("DEVPATH"),
        "subsystem": variables.get("SUBSYSTEM"),
        "variables": variables,
    }
