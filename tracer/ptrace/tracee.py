"""What the event loop knows of a task, and of a call while it is under way."""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, Any, Literal, Mapping

if TYPE_CHECKING:
    from tracer.ptrace.changes import Effect
    from tracer.ptrace.observer import Begin

#: Audit architecture → numbers of the calls to report; None: all of them. An architecture not in it: all.
Interest = Mapping[int, frozenset[int] | None]
Moment = Literal["entry", "exit"]
#: Six of them.
RawArguments = tuple[int, ...]
#: A call that is decoded later, many at once: what the observer keeps with it, the task's id, the registers that it
#: has, and what was read of the task's memory. A tuple, because most calls are such, and nothing is made faster.
PlainCall = tuple[Any, int, RawArguments, tuple[bytes, ...]]
#: One that returned: its result, negative errno and all, and whether the kernel says that it failed.
ReturnedCall = tuple[PlainCall, int, int]

_NOTHING: dict[str, Any] = {}


class RawCall:
    """One system call of one task: numbers as the kernel gave them, and room for what they are decoded to.

    `t` is when the task was let into the kernel, `end` when it stood at the call's end (both nanoseconds of
    CLOCK_MONOTONIC), so that the tracer's own work at the stops is not counted. `result` is the kernel's
    return value, negative errno and all; it is None, and so is `end`, for a call that never returned, or was
    under way when the task was let go.
    """

    # Slots: what stands with the class, for most calls not to set it, is found the slow way.
    __slots__ = (
        *("arch", "arguments", "decoded", "end", "failed", "marks", "name", "number", "pid", "plan", "result", "t"),
    )

    def __init__(self, pid: int, arch: int, number: int, arguments: RawArguments) -> None:
        self.pid = pid
        self.arch = arch
        self.number = number
        self.arguments = arguments
        self.t = 0
        self.end: int | None = None
        self.result: int | None = None
        self.failed = False
        #: What the tracer did to it: "injected" (the result is not the kernel's), "delayed", "detached".
        self.marks: tuple[str, ...] = ()
        self.name = ""
        #: What the observer keeps with the call from its entry to its exit.
        self.plan: Any = None
        #: The arguments; never written to until the observer has set it.
        self.decoded: dict[str, Any] = _NOTHING


class Tracee:
    """One traced task (a thread, or a process with one)."""

    __slots__ = (
        *("announced", "beginnings", "call", "effect", "interest", "invocations", "own_affinity", "pid", "plain"),
        "skipping",
    )

    def __init__(self, pid: int, interest: Interest, *, announced: bool) -> None:
        self.pid = pid
        #: The calls that are reported of it.
        self.interest = interest
        #: Audit architecture and number of a call → what is done when it begins, where that is all; the event loop's.
        self.beginnings: Mapping[tuple[int, int], Begin] = {}
        #: Its parent's fork event was seen (or it is the command itself); the two can come in either order.
        self.announced = announced
        #: The call of interest it is in.
        self.call: RawCall | None = None
        #: The same, when it is a plain one.
        self.plain: PlainCall | None = None
        #: It is in a call of no interest: the next system call stop is that call's end, and needs no
        #: looking at.
        self.skipping = False
        #: What is being done to the call it is in.
        self.effect: Effect | None = None
        #: It, or who it is from, has set its affinity itself.
        self.own_affinity = False
        #: How often it made each call that faults are injected into.
        self.invocations: dict[object, int] = {}
