"""Calls that start, end, wait for and describe processes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tracer.decode.kinds.buffers import sent
from tracer.decode.kinds.cloning import CLONE_ARGS, clone
from tracer.decode.kinds.descriptors import DIRFD, FD
from tracer.decode.kinds.futex import FUTEX
from tracer.decode.kinds.kernel_log import SYSLOG
from tracer.decode.kinds.numbers import HEX, HEX32, INT, INT_IN, INT_OUT, MODE, POINTER, SIZE, UINT, UINT_OUT, USER
from tracer.decode.kinds.prctl import ARCH_PRCTL, PRCTL
from tracer.decode.kinds.resources import (
    CAPABILITIES_IN,
    CAPABILITIES_OUT,
    CAPABILITY_HEADER,
    CPUS_IN,
    CPUS_OUT,
    LIMIT_IN,
    LIMIT_OUT,
    PERSONALITY,
    PERSONALITY_RESULT,
    RANDOM_BYTES,
    RESOURCE,
    SYSINFO,
    UTSNAME,
)
from tracer.decode.kinds.restarting import INTERRUPTED
from tracer.decode.kinds.results import DESCRIPTOR, OCTAL
from tracer.decode.kinds.siginfo import SIGINFO_OUT
from tracer.decode.kinds.structures import array_in, array_out
from tracer.decode.kinds.symbols import enum, flags
from tracer.decode.kinds.texts import ARGV, ENVP, PATH
from tracer.decode.kinds.times import TIMESPEC_OUT
from tracer.decode.kinds.waiting import STATUS, USAGE, USAGE_OF_CHILD
from tracer.decode.signature import Returns, Signature, Value, call
from tracer.decode.tables import process_flags as flag
from tracer.decode.tables import process_numbers as number
from tracer.decode.tables.file_flags import AT_FLAGS
from tracer.decode.values import flags as split_flags


def _policy(value: int, _arguments: Mapping[str, Value]) -> str:
    symbol = number.POLICIES.get(value)
    return f"{value} ({symbol})" if symbol else str(value)


_MEMBARRIER_COMMANDS = dict(flag.MEMBARRIER_COMMANDS)


def _membarrier(value: int, _arguments: Mapping[str, Value]) -> str:
    """Show the commands that MEMBARRIER_CMD_QUERY found."""
    names = split_flags(value, [row for row in flag.MEMBARRIER_COMMANDS if row[0]])
    return f"{value:#x} ({'|'.join(names)})" if value else "0"


_WAIT_OPTIONS = flags(flag.WAIT_OPTIONS, "W???")
_POLICY = enum(number.POLICIES, "SCHED_???")
_PRIORITY_OF = enum(number.PRIORITIES_OF, "PRIO_???")
_nothing = call()
_name = call(("name", sent(1)), ("len", UINT))
_user = call(("uid", USER))
_group = call(("gid", USER))
_exit = call(("status", INT))

CALLS: Mapping[str, Signature] = MappingProxyType(
    {
        "execve": call(("pathname", PATH), ("argv", ARGV), ("envp", ENVP)),
        "execveat": call(
            ("dirfd", DIRFD), ("pathname", PATH), ("argv", ARGV), ("envp", ENVP), ("flags", flags(AT_FLAGS, "AT_???"))
        ),
        "exit": _exit,
        "exit_group": _exit,
        "fork": _nothing,
        "vfork": _nothing,
        "clone": clone(tls=4, child_tid=3),
        "clone3": call(("cl_args", CLONE_ARGS), ("size", SIZE)),
        "wait4": call(("pid", INT), ("wstatus", STATUS), ("options", _WAIT_OPTIONS), ("rusage", USAGE_OF_CHILD)),
        "waitid": call(
            ("idtype", enum(number.WAIT_ID_TYPES, "P_???")),
            ("id", INT),
            ("infop", SIGINFO_OUT),
            ("options", _WAIT_OPTIONS),
            ("rusage", USAGE),
        ),
        "getpid": _nothing,
        "getppid": _nothing,
        "gettid": _nothing,
        "getpgrp": _nothing,
        "getpgid": call(("pid", INT)),
        "setpgid": call(("pid", INT), ("pgid", INT)),
        "getsid": call(("pid", INT)),
        "setsid": _nothing,
        "getuid": _nothing,
        "geteuid": _nothing,
        "getgid": _nothing,
        "getegid": _nothing,
        "setuid": _user,
        "setgid": _group,
        "setfsuid": _user,
        "setfsgid": _group,
        "setreuid": call(("ruid", USER), ("euid", USER)),
        "setregid": call(("rgid", USER), ("egid", USER)),
        "setresuid": call(("ruid", USER), ("euid", USER), ("suid", USER)),
        "setresgid": call(("rgid", USER), ("egid", USER), ("sgid", USER)),
        "getresuid": call(("ruid", UINT_OUT), ("euid", UINT_OUT), ("suid", UINT_OUT)),
        "getresgid": call(("rgid", UINT_OUT), ("egid", UINT_OUT), ("sgid", UINT_OUT)),
        "getgroups": call(("size", INT), ("list", array_out(UINT, 4, lambda _raw, result: result))),
        "setgroups": call(("size", INT), ("list", array_in(UINT, 4, 0))),
        "set_tid_address": call(("tidptr", POINTER)),
        "set_robust_list": call(("head", POINTER), ("len", SIZE)),
        "rseq": call(("rseq", HEX), ("rseq_len", HEX32), ("flags", HEX32), ("sig", HEX32)),
        "futex": FUTEX,
        "arch_prctl": ARCH_PRCTL,
        "prctl": PRCTL,
        "personality": call(("persona", PERSONALITY), returns=PERSONALITY_RESULT),
        "prlimit64": call(("pid", INT), ("resource", RESOURCE), ("new_limit", LIMIT_IN), ("old_limit", LIMIT_OUT)),
        "getrlimit": call(("resource", RESOURCE), ("rlim", LIMIT_OUT)),
        "setrlimit": call(("resource", RESOURCE), ("rlim", LIMIT_IN)),
        "getrusage": call(("who", enum(number.USAGE_OF, "RUSAGE_???", signed=True)), ("usage", USAGE)),
        "sched_yield": _nothing,
        "sched_getaffinity": call(("pid", INT), ("cpusetsize", UINT), ("mask", CPUS_OUT)),
        "sched_setaffinity": call(("pid", INT), ("cpusetsize", UINT), ("mask", CPUS_IN)),
        "sched_getscheduler": call(("pid", INT), returns=Returns(_policy)),
        "sched_setscheduler": call(("pid", INT), ("policy", _POLICY), ("param", INT_IN)),
        "sched_getparam": call(("pid", INT), ("param", INT_OUT)),
        "sched_setparam": call(("pid", INT), ("param", INT_IN)),
        "sched_get_priority_max": call(("policy", _POLICY)),
        "sched_get_priority_min": call(("policy", _POLICY)),
        "getpriority": call(("which", _PRIORITY_OF), ("who", INT)),
        "setpriority": call(("which", _PRIORITY_OF), ("who", INT), ("prio", INT)),
        "capget": call(("hdrp", CAPABILITY_HEADER), ("datap", CAPABILITIES_OUT)),
        "capset": call(("hdrp", CAPABILITY_HEADER), ("datap", CAPABILITIES_IN)),
        "uname": call(("buf", UTSNAME)),
        "syslog": SYSLOG,
        "sysinfo": call(("info", SYSINFO)),
        "getrandom": call(("buf", RANDOM_BYTES), ("buflen", SIZE), ("flags", flags(flag.GETRANDOM_FLAGS, "GRND_???"))),
        "umask": call(("mask", MODE), returns=OCTAL),
        "unshare": call(("flags", flags(flag.UNSHARE_FLAGS, "CLONE_???"))),
        "setns": call(("fd", FD), ("nstype", flags(flag.NAMESPACES, "CLONE_NEW???"))),
        "restart_syscall": call(("interrupted", INTERRUPTED)),
        "vhangup": _nothing,
        "getcpu": call(("cpu", UINT_OUT), ("node", UINT_OUT), ("tcache", POINTER)),
        "sethostname": _name,
        "setdomainname": _name,
        "membarrier": call(
            ("cmd", enum(_MEMBARRIER_COMMANDS, "MEMBARRIER_CMD_???")),
            ("flags", flags(flag.MEMBARRIER_FLAGS, "MEMBARRIER_CMD_FLAG_???")),
            ("cpu_id", INT, 2, lambda raw: raw[1] & 1),
            returns=Returns(_membarrier),
        ),
        "sched_rr_get_interval": call(("pid", INT), ("tp", TIMESPEC_OUT)),
        "pidfd_open": call(("pid", INT), ("flags", flags(flag.PIDFD_OPEN_FLAGS, "PIDFD_???")), returns=DESCRIPTOR),
        "pidfd_getfd": call(("pidfd", FD), ("targetfd", INT), ("flags", HEX32), returns=DESCRIPTOR),
    }
)
