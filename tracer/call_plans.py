"""What is to be done at the stops of one call: imported with the first call that a trace comes to.

The decoders behind it take as long to import as the rest of the tracer, and a command may make no call of interest.
"""

from __future__ import annotations

from pyinsmod.lean import NamedTuple
from tracer.call_text import CallText, call_text
from tracer.decode import signature
from tracer.decode.lookup import plan_of
from tracer.decode.values import Task, TaskForText

__all__ = ["NOTHING", "Plan", "Task", "TaskForText", "call_text", "plan_of"]


class Plan(NamedTuple):
    """What is to be done at the stops of one call: looked up once for each number."""

    arch: int
    number: int
    name: str
    decoder: signature.Plan
    recorded: bool
    hooked: bool
    #: Not recorded when it reads one of the kernel's own files.
    left_out: bool
    #: The architecture's name when it is not the machine's own.
    foreign: str | None
    #: Shows it without a record.
    text: CallText | None


#: Shows nothing: of a call that is not recorded.
NOTHING = signature.Plan(lambda _task, _raw: {}, None, None, None)
