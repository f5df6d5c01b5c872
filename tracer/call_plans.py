"""What is to be done at the stops of one call: imported with the first call that a trace comes to.

The decoders behind it take as long to import as the rest of the tracer, and a command may make no call of interest.
"""

from __future__ import annotations

from tracer.call_text import CallText, call_text
from tracer.decode import signature
from tracer.decode.lookup import plan_of
from tracer.decode.values import Task, TaskForText

__all__ = ["NOTHING", "Plan", "Task", "TaskForText", "call_text", "plan_of"]


class Plan:
    """What is to be done at the stops of one call: looked up once for each number."""

    # No tuple with names: they are asked for at each stop, and slots are quicker.
    __slots__ = ("arch", "decoder", "foreign", "hooked", "left_out", "lines", "name", "number", "recorded", "text")

    def __init__(
        self,
        number: tuple[int, int],
        name: str,
        decoder: signature.Plan,
        text: CallText | None,
        *,
        recorded: bool,
        hooked: bool,
        left_out: bool,
        foreign: str | None,
    ) -> None:
        """`number`: audit architecture and number; `text`: what shows the call without a record."""
        self.arch, self.number = number
        self.name = name
        self.decoder = decoder
        self.text = text
        #: Of calls that were shown just now.
        self.lines = {} if text is None else text.seen
        self.recorded = recorded
        self.hooked = hooked
        #: Not recorded when it reads one of the kernel's own files.
        self.left_out = left_out
        #: The architecture's name when it is not the machine's own.
        self.foreign = foreign


#: Shows nothing: of a call that is not recorded.
NOTHING = signature.Plan(lambda _task, _raw: {}, None, None, None)
