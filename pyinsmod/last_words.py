"""The console of a kernel that crashed or hangs → the few lines that tell why. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

# How the kernel begins to say that something is wrong: arch/x86/kernel/{dumpstack,traps}.c, arch/x86/mm/fault.c,
# arch/arm64/kernel/traps.c, kernel/watchdog.c, kernel/hung_task.c, kernel/rcu/tree_stall.h, lib/bug.c.
_BEGINNINGS = (
    r"BUG: |kernel BUG at |Oops: |invalid opcode: |general protection fault|divide error: |stack segment: "
    r"|(?:int3|bounds|double fault|page fault|control protection): |PANIC: |Unable to handle kernel |Internal error: "
    r"|INFO: task .* blocked|rcu: INFO: |Missing ENDBR|CFI failure"
)
_BEGINNING = re.compile(_BEGINNINGS)
_PLACE = re.compile(r"RIP: |pc : ")
_PANIC = re.compile(r"Kernel panic - not syncing: ")
_TIME = re.compile(r"^\[ *\d+\.\d+\](?:\[ *[TC]\d+\])? ?")


def telling_lines(words: Sequence[str]) -> tuple[str, ...]:
    """Return what went wrong and where, without times: two lines or one, or none where nothing tells."""
    lines = [_TIME.sub("", line) for line in words]
    first = _first(_BEGINNING, lines) or _first(_PANIC, lines)
    return tuple(line for line in (first, _first(_PLACE, lines)) if line is not None)


def _first(pattern: re.Pattern[str], lines: Sequence[str]) -> str | None:
    return next((line for line in lines if pattern.search(line)), None)
