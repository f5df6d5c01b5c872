"""Calls that 32-bit x86 programs make otherwise: offsets in two registers, 64-bit times, older structures."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.calls import descriptors, files, memory, processes, signals, times
from tracer.decode.kinds.buffers import RECEIVED, sent
from tracer.decode.kinds.clocks import CLOCK, remaining
from tracer.decode.kinds.cloning import clone
from tracer.decode.kinds.descriptors import DIRFD, FD
from tracer.decode.kinds.fcntl import FCNTL64
from tracer.decode.kinds.file_status import STAT64
from tracer.decode.kinds.futex import FUTEX_TIME64
from tracer.decode.kinds.mapping import MAP_FLAGS, PROT
from tracer.decode.kinds.numbers import HEX_OFFSET, INT, INT64_OUT, PAGE_OFFSET, POINTER, SIZE, in_block, joined, pair
from tracer.decode.kinds.polling import DESCRIPTOR_SET, POLL_ENTRIES, poll_result, select_result, timeout
from tracer.decode.kinds.resources import LIMIT32_IN, LIMIT32_OUT, RESOURCE
from tracer.decode.kinds.results import ADDRESS
from tracer.decode.kinds.signal_sets import SET_AND_SIZE, set_in
from tracer.decode.kinds.structures import pointed_in, pointed_out
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.kinds.texts import PATH
from tracer.decode.kinds.times import (
    FILE_TIMES64,
    ITIMERSPEC64,
    TIMESPEC64,
    TIMESPEC64_IN,
    TIMESPEC64_OUT,
    TIMEVAL,
)
from tracer.decode.kinds.waiting import STATUS
from tracer.decode.signature import Call, Kind, Signature, Variants, call
from tracer.decode.tables import file_flags, file_numbers, process_flags

_AT_FLAGS = flags(file_flags.AT_FLAGS, "AT_???")
_MAPPED = (("addr", POINTER), ("length", SIZE), ("prot", PROT), ("flags", MAP_FLAGS), ("fd", FD))
_ADVICE = enum(file_numbers.ADVICE, "POSIX_FADV_???")
_TIMER_FLAGS = flags(process_flags.CLOCK_FLAGS, "TIMER_???")
_TIMERFD_FLAGS = flags(file_flags.TIMERFD_FLAGS, "TFD_???")
_WAIT_OPTIONS = flags(process_flags.WAIT_OPTIONS, "W???")
_selected = tuple((name, DESCRIPTOR_SET) for name in ("readfds", "writefds", "exceptfds"))
_stat64 = call(("pathname", PATH), ("statbuf", STAT64))
_limit_out = call(("resource", RESOURCE), ("rlim", LIMIT32_OUT))


def _row(table: Mapping[str, Signature], name: str) -> Call:
    """Return a call's row elsewhere, to change it."""
    row = table[name]
    if isinstance(row, Variants):
        raise TypeError(name)
    return row


def _changed(table: Mapping[str, Signature], name: str, **kinds: Kind) -> Call:
    """Return a row with other kinds for some arguments."""
    row = _row(table, name)
    arguments = tuple(each._replace(kind=kinds.get(each.name, each.kind)) for each in row.arguments)
    return row._replace(arguments=arguments)


_32_BIT_IDS = {
    f"{name}32": row
    for table, names in (
        (files.CALLS, ("chown", "lchown", "fchown")),
        (
            processes.CALLS,
            (
                *("getuid", "getgid", "geteuid", "getegid", "setuid", "setgid", "setfsuid", "setfsgid"),
                *("setreuid", "setregid", "setresuid", "setresgid", "getresuid", "getresgid"),
                *("getgroups", "setgroups"),
            ),
        ),
    )
    for name in names
    for row in (table[name],)
}

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        **_32_BIT_IDS,
        "clone": clone(tls=3, child_tid=4),
        "pread64": call(("fd", FD), ("buf", RECEIVED), ("count", SIZE), ("offset", pair(3))),
        "pwrite64": call(("fd", FD), ("buf", sent(2)), ("count", SIZE), ("offset", pair(3))),
        "truncate64": call(("path", PATH), ("length", pair(1))),
        "ftruncate64": call(("fd", FD), ("length", pair(1))),
        "fallocate": _changed(descriptors.CALLS, "fallocate", offset=pair(2), len=pair(4)),
        "fadvise64": call(("fd", FD), ("offset", pair(1)), ("len", SIZE, 3), ("advice", _ADVICE, 4)),
        "fadvise64_64": call(("fd", FD), ("offset", pair(1)), ("len", pair(3)), ("advice", _ADVICE, 5)),
        "readahead": call(("fd", FD), ("offset", pair(1)), ("count", SIZE, 3)),
        "_llseek": call(
            ("fd", FD),
            ("offset", joined(1, 2)),
            ("result", INT64_OUT, 3),
            ("whence", enum(file_numbers.WHENCE, "SEEK_???"), 4),
        ),
        "sendfile64": descriptors.CALLS["sendfile"],
        "stat64": _stat64,
        "lstat64": _stat64,
        "fstat64": call(("fd", FD), ("statbuf", STAT64)),
        "fstatat64": call(("dirfd", DIRFD), ("pathname", PATH), ("statbuf", STAT64), ("flags", _AT_FLAGS)),
        "fcntl64": FCNTL64,
        "mmap": call(
            *((name, in_block(index, kind), 0) for index, (name, kind) in enumerate(_MAPPED)),
            ("offset", in_block(5, HEX_OFFSET), 0),
            returns=ADDRESS,
        ),
        "mmap2": _changed(memory.CALLS, "mmap", offset=PAGE_OFFSET),
        "waitpid": call(("pid", INT), ("wstatus", STATUS), ("options", _WAIT_OPTIONS)),
        "getrlimit": _limit_out,
        "ugetrlimit": _limit_out,
        "setrlimit": call(("resource", RESOURCE), ("rlim", LIMIT32_IN)),
        "_newselect": call(
            ("nfds", INT),
            *_selected,
            ("timeout", timeout(TIMEVAL)),
            returns=select_result(TIMEVAL),
            whole_at_entry=False,
        ),
        "pselect6_time64": call(
            ("nfds", INT),
            *_selected,
            ("timeout", timeout(TIMESPEC64)),
            ("sigmask", SET_AND_SIZE),
            returns=select_result(TIMESPEC64),
            whole_at_entry=False,
        ),
        "ppoll_time64": call(
            ("fds", POLL_ENTRIES),
            ("nfds", SIZE),
            ("tmo_p", timeout(TIMESPEC64)),
            ("sigmask", set_in(4)),
            ("sigsetsize", SIZE),
            returns=poll_result(TIMESPEC64),
            whole_at_entry=False,
        ),
        "futex_time64": FUTEX_TIME64,
        "utimensat_time64": _changed(files.CALLS, "utimensat", times=FILE_TIMES64),
        "rt_sigtimedwait_time64": _changed(signals.CALLS, "rt_sigtimedwait", timeout=TIMESPEC64_IN),
        "clock_gettime64": call(("clockid", CLOCK), ("tp", TIMESPEC64_OUT)),
        "clock_getres_time64": call(("clockid", CLOCK), ("res", TIMESPEC64_OUT)),
        "clock_settime64": call(("clockid", CLOCK), ("tp", TIMESPEC64_IN)),
        "clock_nanosleep_time64": _changed(
            times.CALLS, "clock_nanosleep", request=TIMESPEC64_IN, remain=remaining(TIMESPEC64, unless_absolute=1)
        ),
        "timerfd_settime64": call(
            ("fd", FD),
            ("flags", _TIMERFD_FLAGS),
            ("new_value", pointed_in(ITIMERSPEC64)),
            ("old_value", pointed_out(ITIMERSPEC64)),
        ),
        "timer_settime64": call(
            ("timerid", INT),
            ("flags", _TIMER_FLAGS),
            ("new_value", pointed_in(ITIMERSPEC64)),
            ("old_value", pointed_out(ITIMERSPEC64)),
        ),
    }
)
