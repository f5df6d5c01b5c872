"""The kernel's own words about a refusal → cause and remedy. The table is `kernel_message_table`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from pyinsmod.kernel_message_table import MESSAGES

# printk cuts a record at 1,024 bytes (PRINTK_MESSAGE_MAX 2,048); a longer line is no line of the loader.
LONGEST_LINE = 2048


class Recognised(NamedTuple):
    """A log line that explains the refusal: the check that judges the same thing, cause, remedy, values, line."""

    check: str
    cause: str
    remedy: str
    values: dict[str, str]
    line: str = ""


def recognise(lines: Sequence[str], errno: str) -> Recognised | None:
    """Return what the log says about this answer: the first row of the table that a line fits, or None."""
    for message in MESSAGES:
        if errno not in message.errnos:
            continue
        # The last of several lines counts: simplify_symbols and parse_args go on after an error.
        for line in reversed(lines):
            match = matched(message.patterns, line)
            if match:
                values = {name: value or "" for name, value in match.groupdict().items()}
                words = {**values, "line": line}
                cause, remedy = message.cause.format(**words), message.remedy.format(**words)
                return Recognised(message.check, cause, remedy, values, line)
    return None


def matched(patterns: Sequence[str], line: str) -> re.Match[str] | None:
    """Return the match of the first pattern that fits."""
    return next((match for pattern in patterns if (match := re.search(pattern, line[:LONGEST_LINE]))), None)
