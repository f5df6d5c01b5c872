"""Calls that tell and set the time, wait, and set timers."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.clocks import CLOCK, EVENT, TIME, TIME_OUT, TIMEZONE_IN, TIMEZONE_OUT, TMS, remaining
from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.numbers import INT, INT_OUT, UINT
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.structures import pointed_in, pointed_out
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.kinds.times import (
    ITIMERSPEC,
    ITIMERVAL,
    TIMESPEC,
    TIMESPEC_IN,
    TIMESPEC_OUT,
    TIMEVAL_IN,
    TIMEVAL_OUT,
)
from tracer.decode.signature import Signature, call
from tracer.decode.tables.file_flags import TIMERFD_FLAGS
from tracer.decode.tables.process_flags import CLOCK_FLAGS
from tracer.decode.tables.process_numbers import INTERVAL_TIMERS

_CLOCK_FLAGS = flags(CLOCK_FLAGS, "TIMER_???")
_TIMERFD_FLAGS = flags(TIMERFD_FLAGS, "TFD_???")
_WHICH = enum(INTERVAL_TIMERS, "ITIMER_???")
_timer_in = pointed_in(ITIMERSPEC)
_timer_out = pointed_out(ITIMERSPEC)

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "time": call(("tloc", TIME_OUT), returns=TIME),
        "gettimeofday": call(("tv", TIMEVAL_OUT), ("tz", TIMEZONE_OUT)),
        "settimeofday": call(("tv", TIMEVAL_IN), ("tz", TIMEZONE_IN)),
        "clock_gettime": call(("clockid", CLOCK), ("tp", TIMESPEC_OUT)),
        "clock_getres": call(("clockid", CLOCK), ("res", TIMESPEC_OUT)),
        "clock_settime": call(("clockid", CLOCK), ("tp", TIMESPEC_IN)),
        "clock_nanosleep": call(
            ("clockid", CLOCK),
            ("flags", _CLOCK_FLAGS),
            ("request", TIMESPEC_IN),
            ("remain", remaining(TIMESPEC, unless_absolute=1)),
        ),
        "nanosleep": call(("req", TIMESPEC_IN), ("rem", remaining(TIMESPEC))),
        "alarm": call(("seconds", UINT)),
        "getitimer": call(("which", _WHICH), ("curr_value", pointed_out(ITIMERVAL))),
        "setitimer": call(
            ("which", _WHICH), ("new_value", pointed_in(ITIMERVAL)), ("old_value", pointed_out(ITIMERVAL))
        ),
        "timerfd_create": call(("clockid", CLOCK), ("flags", _TIMERFD_FLAGS), returns=DESCRIPTOR),
        "timerfd_settime": call(
            ("fd", FD), ("flags", _TIMERFD_FLAGS), ("new_value", _timer_in), ("old_value", _timer_out)
        ),
        "timerfd_gettime": call(("fd", FD), ("curr_value", _timer_out)),
        "timer_create": call(("clockid", CLOCK), ("sevp", EVENT), ("timerid", INT_OUT)),
        "timer_settime": call(
            ("timerid", INT), ("flags", _CLOCK_FLAGS), ("new_value", _timer_in), ("old_value", _timer_out)
        ),
        "timer_gettime": call(("timerid", INT), ("curr_value", _timer_out)),
        "timer_getoverrun": call(("timerid", INT)),
        "timer_delete": call(("timerid", INT)),
        "times": call(("buf", TMS)),
    }
)
