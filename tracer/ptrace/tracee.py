"""What the event loop knows of a task, and of a call while it is under way."""

from __future__ import annotations

from typing import Any, Literal

Moment = Literal["entry", "exit"]
RawArguments = tuple[int, int, int, int, int, int]


class RawCall:
    """One system call of one task: numbers as the kernel gave them, and room for what they are decoded to.

    `t` is when the task was let into the kernel, `end` when it stood at the call's end (both nanoseconds of
    CLOCK_MONOTONIC), so that the tracer's own work at the stops is not counted. `result` is the kernel's
    return value, negative errno and all; it is None, and so is `end`, for a call that never returned.
    """

    __slots__ = ("arch", "arguments", "decoded", "end", "failed", "name", "number", "pid", "plan", "result", "t")

    def __init__(self, pid: int, arch: int, number: int, arguments: RawArguments) -> None:
        self.pid = pid
        self.arch = arch
        self.number = number
        self.arguments = arguments
        self.t = 0
        self.end: int | None = None
        self.result: int | None = None
        self.failed = False
        self.name = ""
        #: What the observer keeps with the call from its entry to its exit.
        self.plan: Any = None
        self.decoded: dict[str, Any] = {}


class Tracee:
    """One traced task (a thread, or a process with one)."""

    __slots__ = ("announced", "call", "pid", "skipping")

    def __init__(self, pid: int, *, announced: bool) -> None:
        self.pid = pid
        #: Its parent's fork event was seen (or it is the command itself); the two can come in either order.
        self.announced = announced
        #: The call of interest it is in.
        self.call: RawCall | None = None
        #: It is in a call of no interest: the next system call stop is that call's end, and needs no
        #: looking at.
        self.skipping = False
