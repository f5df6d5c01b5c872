"""Calls that send, block and wait for signals."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.descriptors import FD
from tracer.decode.kinds.numbers import INT, SIGNAL, SIZE, signal_symbol
from tracer.decode.kinds.results import DESCRIPTOR
from tracer.decode.kinds.siginfo import SIGINFO_OUT
from tracer.decode.kinds.signal_sets import (
    ACTION_IN,
    ACTION_OUT,
    FRAME_MASK,
    STACK_IN,
    STACK_OUT,
    set_in,
    set_out,
)
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.kinds.times import TIMESPEC_IN
from tracer.decode.signature import Returns, Signature, Value, call
from tracer.decode.tables import signals as table
from tracer.decode.tables.file_flags import SIGNALFD_FLAGS


def _signal_and_name(value: int, _arguments: Mapping[str, Value]) -> str:
    return f"{value} ({signal_symbol(value)})" if value else "0"


_SIGNALFD_FLAGS = flags(SIGNALFD_FLAGS, "SFD_???")

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "kill": call(("pid", INT), ("sig", SIGNAL)),
        "tkill": call(("tid", INT), ("sig", SIGNAL)),
        "tgkill": call(("tgid", INT), ("tid", INT), ("sig", SIGNAL)),
        "rt_sigaction": call(("signum", SIGNAL), ("act", ACTION_IN), ("oldact", ACTION_OUT), ("sigsetsize", SIZE)),
        "rt_sigprocmask": call(
            ("how", enum(table.MASK_HOW, "SIG_???")), ("set", set_in(3)), ("oldset", set_out(3)), ("sigsetsize", SIZE)
        ),
        "rt_sigreturn": call(("frame", FRAME_MASK)),
        "rt_sigpending": call(("set", set_out(1, 1)), ("sigsetsize", SIZE)),
        "rt_sigsuspend": call(("mask", set_in(1)), ("sigsetsize", SIZE)),
        "rt_sigtimedwait": call(
            ("set", set_in(3)),
            ("info", SIGINFO_OUT),
            ("timeout", TIMESPEC_IN),
            ("sigsetsize", SIZE),
            returns=Returns(_signal_and_name),
        ),
        "sigaltstack": call(("ss", STACK_IN), ("old_ss", STACK_OUT)),
        "pause": call(),
        "signalfd4": call(
            ("fd", FD), ("mask", set_in(2)), ("sizemask", SIZE), ("flags", _SIGNALFD_FLAGS), returns=DESCRIPTOR
        ),
        "signalfd": call(("fd", FD), ("mask", set_in(2)), ("sizemask", SIZE), returns=DESCRIPTOR),
    }
)
