"""Numbers that stand for one thing each in the process calls: <linux/prctl.h>, <linux/resource.h> and their like."""

from __future__ import annotations

from types import MappingProxyType

WAIT_ID_TYPES = MappingProxyType(
    {
        0: "P_ALL",
        1: "P_PID",
        2: "P_PGID",
        3: "P_PIDFD",
    }
)

ARCH_PRCTL = MappingProxyType(
    {
        0x1001: "ARCH_SET_GS",
        0x1002: "ARCH_SET_FS",
        0x1003: "ARCH_GET_FS",
        0x1004: "ARCH_GET_GS",
        0x1011: "ARCH_GET_CPUID",
        0x1012: "ARCH_SET_CPUID",
        0x1021: "ARCH_GET_XCOMP_SUPP",
        0x1022: "ARCH_GET_XCOMP_PERM",
        0x1023: "ARCH_REQ_XCOMP_PERM",
        0x1024: "ARCH_GET_XCOMP_GUEST_PERM",
        0x1025: "ARCH_REQ_XCOMP_GUEST_PERM",
        0x2001: "ARCH_MAP_VDSO_X32",
        0x2002: "ARCH_MAP_VDSO_32",
        0x2003: "ARCH_MAP_VDSO_64",
    }
)

PRCTL_OPTIONS = MappingProxyType(
    {
        1: "PR_SET_PDEATHSIG",
        2: "PR_GET_PDEATHSIG",
        3: "PR_GET_DUMPABLE",
        4: "PR_SET_DUMPABLE",
        5: "PR_GET_UNALIGN",
        6: "PR_SET_UNALIGN",
        7: "PR_GET_KEEPCAPS",
        8: "PR_SET_KEEPCAPS",
        9: "PR_GET_FPEMU",
        10: "PR_SET_FPEMU",
        11: "PR_GET_FPEXC",
        12: "PR_SET_FPEXC",
        13: "PR_GET_TIMING",
        14: "PR_SET_TIMING",
        15: "PR_SET_NAME",
        16: "PR_GET_NAME",
        19: "PR_GET_ENDIAN",
        20: "PR_SET_ENDIAN",
        21: "PR_GET_SECCOMP",
        22: "PR_SET_SECCOMP",
        23: "PR_CAPBSET_READ",
        24: "PR_CAPBSET_DROP",
        25: "PR_GET_TSC",
        26: "PR_SET_TSC",
        27: "PR_GET_SECUREBITS",
        28: "PR_SET_SECUREBITS",
        29: "PR_SET_TIMERSLACK",
        30: "PR_GET_TIMERSLACK",
        31: "PR_TASK_PERF_EVENTS_DISABLE",
        32: "PR_TASK_PERF_EVENTS_ENABLE",
        33: "PR_MCE_KILL",
        34: "PR_MCE_KILL_GET",
        35: "PR_SET_MM",
        36: "PR_SET_CHILD_SUBREAPER",
        37: "PR_GET_CHILD_SUBREAPER",
        38: "PR_SET_NO_NEW_PRIVS",
        39: "PR_GET_NO_NEW_PRIVS",
        40: "PR_GET_TID_ADDRESS",
        41: "PR_SET_THP_DISABLE",
        42: "PR_GET_THP_DISABLE",
        43: "PR_MPX_ENABLE_MANAGEMENT",
        44: "PR_MPX_DISABLE_MANAGEMENT",
        45: "PR_SET_FP_MODE",
        46: "PR_GET_FP_MODE",
        47: "PR_CAP_AMBIENT",
        50: "PR_SVE_SET_VL",
        51: "PR_SVE_GET_VL",
        52: "PR_GET_SPECULATION_CTRL",
        53: "PR_SET_SPECULATION_CTRL",
        54: "PR_PAC_RESET_KEYS",
        55: "PR_SET_TAGGED_ADDR_CTRL",
        56: "PR_GET_TAGGED_ADDR_CTRL",
        57: "PR_SET_IO_FLUSHER",
        58: "PR_GET_IO_FLUSHER",
        59: "PR_SET_SYSCALL_USER_DISPATCH",
        60: "PR_PAC_SET_ENABLED_KEYS",
        61: "PR_PAC_GET_ENABLED_KEYS",
        62: "PR_SCHED_CORE",
        63: "PR_SME_SET_VL",
        64: "PR_SME_GET_VL",
        1398164801: "PR_SET_VMA",
        1499557217: "PR_SET_PTRACER",
    }
)

RESOURCES = MappingProxyType(
    {
        0: "RLIMIT_CPU",
        1: "RLIMIT_FSIZE",
        2: "RLIMIT_DATA",
        3: "RLIMIT_STACK",
        4: "RLIMIT_CORE",
        5: "RLIMIT_RSS",
        7: "RLIMIT_NOFILE",
        9: "RLIMIT_AS",
        6: "RLIMIT_NPROC",
        8: "RLIMIT_MEMLOCK",
        10: "RLIMIT_LOCKS",
        11: "RLIMIT_SIGPENDING",
        12: "RLIMIT_MSGQUEUE",
        13: "RLIMIT_NICE",
        14: "RLIMIT_RTPRIO",
        15: "RLIMIT_RTTIME",
    }
)

USAGE_OF = MappingProxyType(
    {
        0: "RUSAGE_SELF",
        -1: "RUSAGE_CHILDREN",
        -2: "RUSAGE_BOTH",
        1: "RUSAGE_THREAD",
    }
)

PERSONALITIES = MappingProxyType(
    {
        0x0: "PER_LINUX",
        0x800000: "PER_LINUX_32BIT",
        0x80000: "PER_LINUX_FDPIC",
        0x4100001: "PER_SVR4",
        0x5000002: "PER_SVR3",
        0x7000003: "PER_SCOSVR3",
        0x6000003: "PER_OSR5",
        0x5000004: "PER_WYSEV386",
        0x4000005: "PER_ISCR4",
        0x6: "PER_BSD",
        0x4000006: "PER_SUNOS",
        0x5000007: "PER_XENIX",
        0x8: "PER_LINUX32",
        0x8000008: "PER_LINUX32_3GB",
        0x4000009: "PER_IRIX32",
        0x400000A: "PER_IRIXN32",
        0x400000B: "PER_IRIX64",
        0xC: "PER_RISCOS",
        0x400000D: "PER_SOLARIS",
        0x410000E: "PER_UW7",
        0xF: "PER_OSF4",
        0x10: "PER_HPUX",
        0xFF: "PER_MASK",
    }
)

POLICIES = MappingProxyType(
    {
        0: "SCHED_OTHER",
        1: "SCHED_FIFO",
        2: "SCHED_RR",
        3: "SCHED_BATCH",
        4: "SCHED_ISO",
        5: "SCHED_IDLE",
        6: "SCHED_DEADLINE",
    }
)

CAPABILITY_VERSIONS = MappingProxyType(
    {
        0x19980330: "_LINUX_CAPABILITY_VERSION_1",
        0x20071026: "_LINUX_CAPABILITY_VERSION_2",
        0x20080522: "_LINUX_CAPABILITY_VERSION_3",
    }
)

CAPABILITIES = MappingProxyType(
    {
        0: "CAP_CHOWN",
        1: "CAP_DAC_OVERRIDE",
        2: "CAP_DAC_READ_SEARCH",
        3: "CAP_FOWNER",
        4: "CAP_FSETID",
        5: "CAP_KILL",
        6: "CAP_SETGID",
        7: "CAP_SETUID",
        8: "CAP_SETPCAP",
        9: "CAP_LINUX_IMMUTABLE",
        10: "CAP_NET_BIND_SERVICE",
        11: "CAP_NET_BROADCAST",
        12: "CAP_NET_ADMIN",
        13: "CAP_NET_RAW",
        14: "CAP_IPC_LOCK",
        15: "CAP_IPC_OWNER",
        16: "CAP_SYS_MODULE",
        17: "CAP_SYS_RAWIO",
        18: "CAP_SYS_CHROOT",
        19: "CAP_SYS_PTRACE",
        20: "CAP_SYS_PACCT",
        21: "CAP_SYS_ADMIN",
        22: "CAP_SYS_BOOT",
        23: "CAP_SYS_NICE",
        24: "CAP_SYS_RESOURCE",
        25: "CAP_SYS_TIME",
        26: "CAP_SYS_TTY_CONFIG",
        27: "CAP_MKNOD",
        28: "CAP_LEASE",
        29: "CAP_AUDIT_WRITE",
        30: "CAP_AUDIT_CONTROL",
        31: "CAP_SETFCAP",
        32: "CAP_MAC_OVERRIDE",
        33: "CAP_MAC_ADMIN",
        34: "CAP_SYSLOG",
        35: "CAP_WAKE_ALARM",
        36: "CAP_BLOCK_SUSPEND",
        37: "CAP_AUDIT_READ",
        38: "CAP_PERFMON",
        39: "CAP_BPF",
        40: "CAP_CHECKPOINT_RESTORE",
    }
)

CLOCKS = MappingProxyType(
    {
        0: "CLOCK_REALTIME",
        1: "CLOCK_MONOTONIC",
        2: "CLOCK_PROCESS_CPUTIME_ID",
        3: "CLOCK_THREAD_CPUTIME_ID",
        4: "CLOCK_MONOTONIC_RAW",
        5: "CLOCK_REALTIME_COARSE",
        6: "CLOCK_MONOTONIC_COARSE",
        7: "CLOCK_BOOTTIME",
        8: "CLOCK_REALTIME_ALARM",
        9: "CLOCK_BOOTTIME_ALARM",
        10: "CLOCK_SGI_CYCLE",
        11: "CLOCK_TAI",
    }
)

PRIORITIES_OF = MappingProxyType(
    {
        0: "PRIO_PROCESS",
        1: "PRIO_PGRP",
        2: "PRIO_USER",
    }
)

INTERVAL_TIMERS = MappingProxyType(
    {
        0: "ITIMER_REAL",
        1: "ITIMER_VIRTUAL",
        2: "ITIMER_PROF",
    }
)

DUMPABLE = MappingProxyType(
    {
        0: "SUID_DUMP_DISABLE",
        1: "SUID_DUMP_USER",
        2: "SUID_DUMP_ROOT",
    }
)

AMBIENT = MappingProxyType(
    {
        1: "PR_CAP_AMBIENT_IS_SET",
        2: "PR_CAP_AMBIENT_RAISE",
        3: "PR_CAP_AMBIENT_LOWER",
        4: "PR_CAP_AMBIENT_CLEAR_ALL",
    }
)

SET_MM = MappingProxyType(
    {
        1: "PR_SET_MM_START_CODE",
        2: "PR_SET_MM_END_CODE",
        3: "PR_SET_MM_START_DATA",
        4: "PR_SET_MM_END_DATA",
        5: "PR_SET_MM_START_STACK",
        6: "PR_SET_MM_START_BRK",
        7: "PR_SET_MM_BRK",
        8: "PR_SET_MM_ARG_START",
        9: "PR_SET_MM_ARG_END",
        10: "PR_SET_MM_ENV_START",
        11: "PR_SET_MM_ENV_END",
        12: "PR_SET_MM_AUXV",
        13: "PR_SET_MM_EXE_FILE",
        14: "PR_SET_MM_MAP",
        15: "PR_SET_MM_MAP_SIZE",
    }
)

SET_VMA = MappingProxyType(
    {
        0: "PR_SET_VMA_ANON_NAME",
    }
)

PTRACE_EVENTS = MappingProxyType(
    {
        1: "PTRACE_EVENT_FORK",
        2: "PTRACE_EVENT_VFORK",
        3: "PTRACE_EVENT_CLONE",
        4: "PTRACE_EVENT_EXEC",
        5: "PTRACE_EVENT_VFORK_DONE",
        6: "PTRACE_EVENT_EXIT",
        7: "PTRACE_EVENT_SECCOMP",
        128: "PTRACE_EVENT_STOP",
    }
)

# include/linux/syslog.h
SYSLOG_ACTIONS = MappingProxyType(
    {
        0: "SYSLOG_ACTION_CLOSE",
        1: "SYSLOG_ACTION_OPEN",
        2: "SYSLOG_ACTION_READ",
        3: "SYSLOG_ACTION_READ_ALL",
        4: "SYSLOG_ACTION_READ_CLEAR",
        5: "SYSLOG_ACTION_CLEAR",
        6: "SYSLOG_ACTION_CONSOLE_OFF",
        7: "SYSLOG_ACTION_CONSOLE_ON",
        8: "SYSLOG_ACTION_CONSOLE_LEVEL",
        9: "SYSLOG_ACTION_SIZE_UNREAD",
        10: "SYSLOG_ACTION_SIZE_BUFFER",
    }
)

# include/linux/kern_levels.h
LOG_LEVELS = MappingProxyType(
    {
        0: "LOGLEVEL_EMERG",
        1: "LOGLEVEL_ALERT",
        2: "LOGLEVEL_CRIT",
        3: "LOGLEVEL_ERR",
        4: "LOGLEVEL_WARNING",
        5: "LOGLEVEL_NOTICE",
        6: "LOGLEVEL_INFO",
        7: "LOGLEVEL_DEBUG",
    }
)
