"""Calls that wait for descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.common import address_when_failed
from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.numbers import INT, SIZE, UINT
from tracer.decode.kinds.polling import (
    DESCRIPTOR_SET,
    EPOLL_EVENT,
    EPOLL_FOUND,
    POLL_ENTRIES,
    poll_result,
    select_result,
    timeout,
)
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.signal_sets import SET_AND_SIZE, set_in
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.kinds.times import TIMESPEC, TIMESPEC64_IN, TIMEVAL
from tracer.decode.signature import Signature, call
from tracer.decode.tables.file_flags import EPOLL_FLAGS
from tracer.decode.tables.file_numbers import EPOLL_OPERATIONS

_polled = (("fds", POLL_ENTRIES), ("nfds", UINT))
_selected = (
    ("nfds", INT),
    ("readfds", DESCRIPTOR_SET),
    ("writefds", DESCRIPTOR_SET),
    ("exceptfds", DESCRIPTOR_SET),
)
_masked = (("sigmask", address_when_failed(set_in(5))), ("sigsetsize", SIZE))
_waited = (("epfd", FD), ("events", EPOLL_FOUND), ("maxevents", INT))

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "poll": call(*_polled, ("timeout", INT), returns=poll_result(None), whole_at_entry=False),
        "ppoll": call(
            *_polled,
            ("tmo_p", timeout(TIMESPEC)),
            ("sigmask", set_in(4)),
            ("sigsetsize", SIZE),
            returns=poll_result(TIMESPEC),
            whole_at_entry=False,
        ),
        "select": call(*_selected, ("timeout", timeout(TIMEVAL)), returns=select_result(TIMEVAL), whole_at_entry=False),
        "pselect6": call(
            *_selected,
            ("timeout", timeout(TIMESPEC)),
            ("sigmask", SET_AND_SIZE),
            returns=select_result(TIMESPEC),
            whole_at_entry=False,
        ),
        "epoll_create": call(("size", INT), returns=DESCRIPTOR),
        "epoll_create1": call(("flags", flags(EPOLL_FLAGS, "EPOLL_???")), returns=DESCRIPTOR),
        "epoll_ctl": call(
            ("epfd", FD), ("op", enum(EPOLL_OPERATIONS, "EPOLL_CTL_???")), ("fd", FD), ("event", EPOLL_EVENT)
        ),
        "epoll_wait": call(*_waited, ("timeout", INT)),
        "epoll_pwait": call(*_waited, ("timeout", INT), *_masked),
        "epoll_pwait2": call(
            *_waited,
            ("timeout", address_when_failed(TIMESPEC64_IN)),
            ("sigmask", address_when_failed(set_in(5))),
            ("sigsetsize", SIZE),
        ),
    }
)
