"""A program that stands by: it prepares itself, the machine is frozen, and each of its copies goes on from there.

The agent starts it as a fork of itself, and later hands each job's command over. So the preparations of a program that
many jobs run are made once.
"""

from __future__ import annotations

import json
import os
import socket

VARIABLE = "VM_HELD"  # in the program's environment: the descriptor on which it stands by
LONGEST = 64 * 1024  # bytes of the words it goes on with


def channel() -> tuple[socket.socket, socket.socket]:
    """Return the agent's end and the program's; a message arrives whole."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def stand_by() -> list[str]:
    """In the program: say that it is ready, wait for a job, and return its argv; the job's folder is the current one.

    Raises:
        EOFError: the agent is gone.
    """
    with socket.socket(fileno=int(os.environ.pop(VARIABLE))) as end:
        end.send(b"!")
        words = end.recv(LONGEST)
    if not words:
        raise EOFError
    job = json.loads(words)
    os.chdir(job["cwd"])
    os.environ.update(job["env"])
    return list(job["argv"])


def go_on(end: socket.socket, job: dict[str, object]) -> None:
    """In the agent: let the program that stands by do a job."""
    with end:
        end.send(json.dumps({key: job.get(key) for key in ("argv", "cwd", "env")}).encode())
