"""When uevents were sent that were collected late: the kernel's own function that sends them tells.

While a module call is under way nobody waits for uevents (see `watcher`). The traced tasks' calls of `SENDS_UEVENTS`
are in the function graph, with their times. Where there are as many of them in a module call as uevents came of it,
they are those, in the order of the uevents' numbers. Where not (another task sent some, or there are more network
namespaces), a uevent keeps the time it was collected at and `sent_after`, when the call began.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tracer.kernel_side.functions import SENDS_UEVENTS

Record = dict[str, Any]


def timed(watched: Sequence[Record], kernel: Sequence[Record]) -> list[Record]:
    """Return all records, the times of late uevents put right as far as `kernel`'s calls tell them.

    Those calls are left out: there is no more to them.
    """
    sent = sorted(record["t"] for record in kernel if record.get("name") == SENDS_UEVENTS)
    late: dict[int, list[Record]] = defaultdict(list)
    for record in watched:
        if "sent_after" in record:
            late[record["sent_after"]].append(record)
    for after, group in late.items():
        until = max(record["t"] for record in group)
        times = sent[bisect_left(sent, after) : bisect_right(sent, until)]
        if len(times) == len(group):
            for record, t in zip(sorted(group, key=_number), times, strict=True):
                del record["sent_after"]
                record["t"] = t
    return [*(record for record in kernel if record.get("name") != SENDS_UEVENTS), *watched]


def _number(uevent: Record) -> int:
    number = uevent["variables"].get("SEQNUM", "")
    return int(number) if number.isdecimal() else 0
