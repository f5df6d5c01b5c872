"""When a module was signed: which times the kernel accepts there (`x509_decode_time`)."""

from __future__ import annotations

import re

UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
PATTERNS = {
    UTC_TIME: re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", re.DOTALL),
    GENERALIZED_TIME: re.compile(rb"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", re.DOTALL),
}
DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
FIRST_OF_THIS_CENTURY, EPOCH = 50, 1970


def is_time(tag: int, contents: bytes) -> bool:
    """Tell whether the kernel takes it for a time: either form, of 1970 or later, 24:00 and leap seconds included."""
    pattern = PATTERNS.get(tag)
    match = pattern.fullmatch(contents) if pattern else None
    if match is None:
        return False
    year, month, day, hour, minute, second = map(int, match.groups())
    if tag == UTC_TIME:
        year += 1900 if year >= FIRST_OF_THIS_CENTURY else 2000
    elif 1950 <= year <= 2049:  # those have to be in the short form
        return False
    if year < EPOCH or not 1 <= month <= len(DAYS):
        return False
    leap = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return 1 <= day <= DAYS[month - 1] + leap and hour <= 24 and minute <= 59 and second <= 60
