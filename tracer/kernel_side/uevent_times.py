"""When uevents were sent that were collected late, found out from the kernel's own function that sends them.

While a module call is under way nobody waits for uevents (see `watcher`), so their times are too late. But before the
loader sends one, of the subsystem `module`, the kernel calls `SENDS_UEVENTS`, which is in the function graph with its
time. If there are as many such calls (outside the module's init function) as such uevents, they belong together, in
the order of the uevents' sequence numbers. Every other uevent keeps the time it was collected at, or that of the next
one if that is earlier, and has `sent_after`, when the call began.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tracer.kernel_side.functions import RUNS_INIT, SENDS_UEVENTS

Record = dict[str, Any]


def timed(watched: Sequence[Record], kernel: Sequence[Record]) -> list[Record]:
    """Return all records, the times of late uevents put right as far as `kernel`'s calls tell them.

    Those calls are left out: there is no more to them.
    """
    inits = [(record["t"], _end(record)) for record in kernel if record.get("name") == RUNS_INIT]
    asked = (record["t"] for record in kernel if record.get("name") == SENDS_UEVENTS)
    sent = sorted(t for t in asked if not any(begin <= t <= end for begin, end in inits))
    late: dict[int, list[Record]] = defaultdict(list)
    for record in watched:
        if "sent_after" in record:
            late[record["sent_after"]].append(record)
    for after, group in late.items():
        group.sort(key=_number)
        own = [record for record in group if record.get("subsystem") == "module"]
        times = sent[bisect_left(sent, after) : bisect_right(sent, max(record["t"] for record in group))]
        if len(times) == len(own):
            for record, t in zip(own, times, strict=True):
                del record["sent_after"]
                record["t"] = t
        for record, following in zip(reversed(group[:-1]), reversed(group), strict=False):
            record["t"] = min(record["t"], following["t"])
    return [*(record for record in kernel if record.get("name") != SENDS_UEVENTS), *watched]


def _end(call: Record) -> int | float:
    return call["t"] + call["duration"] if call.get("duration") is not None else math.inf


def _number(uevent: Record) -> int:
    number = uevent["variables"].get("SEQNUM", "")
    return int(number) if number.isdecimal() else 0
