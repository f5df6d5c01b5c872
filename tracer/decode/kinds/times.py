"""Times: seconds with nano- or microseconds."""

from __future__ import annotations

import time

from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.structures import Structure, pointed_in, pointed_out, shown_list, structure, structures
from tracer.decode.signature import Kind, Value

TIMESPEC = structure(("tv_sec", "l"), ("tv_nsec", "L"))
#: For the calls of 32-bit programs whose names end in time64, too.
TIMESPEC64 = structure(("tv_sec", "q"), ("tv_nsec", "Q"))
TIMEVAL = structure(("tv_sec", "l"), ("tv_usec", "L"))
ITIMERVAL = structure(("it_interval", TIMEVAL), ("it_value", TIMEVAL))
ITIMERSPEC = structure(("it_interval", TIMESPEC), ("it_value", TIMESPEC))
ITIMERSPEC64 = structure(("it_interval", TIMESPEC64), ("it_value", TIMESPEC64))

TIMESPEC_IN = pointed_in(TIMESPEC)
TIMESPEC_OUT = pointed_out(TIMESPEC)
TIMESPEC64_IN = pointed_in(TIMESPEC64)
TIMESPEC64_OUT = pointed_out(TIMESPEC64)
TIMEVAL_IN = pointed_in(TIMEVAL)
TIMEVAL_OUT = pointed_out(TIMEVAL)

_SPECIAL = {(1 << 30) - 1: "UTIME_NOW", (1 << 30) - 2: "UTIME_OMIT"}


def in_words(seconds: int, fraction: int, digits: int) -> str:
    """Return strace's comment on a time: the local date, or nothing for the first of all seconds."""
    if not seconds and not fraction:
        return ""
    try:
        local = time.localtime(seconds)
    except (OverflowError, OSError, ValueError):  # no such year
        return ""
    part = f".{fraction:0{digits}}" if fraction else ""
    return f" /* {time.strftime('%Y-%m-%dT%H:%M:%S', local)}{part}{time.strftime('%z', local)} */"


def _show_file_time(value: Value) -> str:
    if not isinstance(value, dict) or "tv_sec" not in value:
        return show_address(value)
    seconds = value["tv_sec"]
    if "tv_usec" in value:
        return f"{{tv_sec={seconds}, tv_usec={value['tv_usec']}}}{in_words(seconds, value['tv_usec'], 6)}"
    nanoseconds = value["tv_nsec"]
    if nanoseconds in _SPECIAL:
        return _SPECIAL[nanoseconds]
    return f"{{tv_sec={seconds}, tv_nsec={nanoseconds}}}{in_words(seconds, nanoseconds, 9)}"


def _pair_of(one: Structure) -> Kind:
    """Return the kind of the two times that a file is given."""
    return structures(one, lambda _raw, _result: 2, out=False)._replace(show=shown_list(_show_file_time))


FILE_TIMES = _pair_of(TIMESPEC)
FILE_TIMES64 = _pair_of(TIMESPEC64)
FILE_TIMES_MICRO = _pair_of(TIMEVAL)
