"""Values of the signal calls and of struct siginfo: <asm/signal.h>, <asm-generic/siginfo.h>."""

from __future__ import annotations

from types import MappingProxyType

ACTION_FLAGS = (
    (0x04000000, "SA_RESTORER"),
    (0x08000000, "SA_ONSTACK"),
    (0x10000000, "SA_RESTART"),
    (0x20000000, "SA_INTERRUPT"),
    (0x40000000, "SA_NODEFER"),
    (0x80000000, "SA_RESETHAND"),
    (0x00000004, "SA_SIGINFO"),
    (0x00000001, "SA_NOCLDSTOP"),
    (0x00000002, "SA_NOCLDWAIT"),
)

MASK_HOW = MappingProxyType(
    {
        0: "SIG_BLOCK",
        1: "SIG_UNBLOCK",
        2: "SIG_SETMASK",
    }
)

STACK_FLAGS = (
    (0x1, "SS_ONSTACK"),
    (0x2, "SS_DISABLE"),
    (0x80000000, "SS_AUTODISARM"),
)

SIGINFO_CODES = MappingProxyType(
    {
        0: "SI_USER",
        128: "SI_KERNEL",
        -1: "SI_QUEUE",
        -4: "SI_ASYNCIO",
        -2: "SI_TIMER",
        -3: "SI_MESGQ",
        -5: "SI_SIGIO",
        -6: "SI_TKILL",
        -7: "SI_DETHREAD",
        -60: "SI_ASYNCNL",
        32767: "SI_NOINFO",
    }
)

SIGCHLD_CODES = MappingProxyType(
    {
        1: "CLD_EXITED",
        2: "CLD_KILLED",
        3: "CLD_DUMPED",
        4: "CLD_TRAPPED",
        5: "CLD_STOPPED",
        6: "CLD_CONTINUED",
    }
)

SIGSEGV_CODES = MappingProxyType(
    {
        1: "SEGV_MAPERR",
        2: "SEGV_ACCERR",
        3: "SEGV_BNDERR",
        4: "SEGV_PKUERR",
        5: "SEGV_ACCADI",
        6: "SEGV_ADIDERR",
        7: "SEGV_ADIPERR",
        8: "SEGV_MTEAERR",
        9: "SEGV_MTESERR",
    }
)

SIGBUS_CODES = MappingProxyType(
    {
        1: "BUS_ADRALN",
        2: "BUS_ADRERR",
        3: "BUS_OBJERR",
        4: "BUS_MCEERR_AR",
        5: "BUS_MCEERR_AO",
    }
)

SIGILL_CODES = MappingProxyType(
    {
        1: "ILL_ILLOPC",
        2: "ILL_ILLOPN",
        3: "ILL_ILLADR",
        4: "ILL_ILLTRP",
        5: "ILL_PRVOPC",
        6: "ILL_PRVREG",
        7: "ILL_COPROC",
        8: "ILL_BADSTK",
        9: "ILL_BADIADDR",
    }
)

SIGFPE_CODES = MappingProxyType(
    {
        1: "FPE_INTDIV",
        2: "FPE_INTOVF",
        3: "FPE_FLTDIV",
        4: "FPE_FLTOVF",
        5: "FPE_FLTUND",
        6: "FPE_FLTRES",
        7: "FPE_FLTINV",
        8: "FPE_FLTSUB",
        14: "FPE_FLTUNK",
        15: "FPE_CONDTRAP",
    }
)

SIGTRAP_CODES = MappingProxyType(
    {
        1: "TRAP_BRKPT",
        2: "TRAP_TRACE",
        3: "TRAP_BRANCH",
        4: "TRAP_HWBKPT",
        5: "TRAP_UNK",
        6: "TRAP_PERF",
    }
)

SIGPOLL_CODES = MappingProxyType(
    {
        1: "POLL_IN",
        2: "POLL_OUT",
        3: "POLL_MSG",
        4: "POLL_ERR",
        5: "POLL_PRI",
        6: "POLL_HUP",
    }
)

SIGSYS_CODES = MappingProxyType(
    {
        1: "SYS_SECCOMP",
        2: "SYS_USER_DISPATCH",
    }
)

#: From 1 on; the same on x86 and ARM (<asm-generic/signal.h>, <asm/signal.h>).
CLASSIC_SIGNALS = (
    "SIGHUP",
    "SIGINT",
    "SIGQUIT",
    "SIGILL",
    "SIGTRAP",
    "SIGABRT",
    "SIGBUS",
    "SIGFPE",
    "SIGKILL",
    "SIGUSR1",
    "SIGSEGV",
    "SIGUSR2",
    "SIGPIPE",
    "SIGALRM",
    "SIGTERM",
    "SIGSTKFLT",
    "SIGCHLD",
    "SIGCONT",
    "SIGSTOP",
    "SIGTSTP",
    "SIGTTIN",
    "SIGTTOU",
    "SIGURG",
    "SIGXCPU",
    "SIGXFSZ",
    "SIGVTALRM",
    "SIGPROF",
    "SIGWINCH",
    "SIGIO",
    "SIGPWR",
    "SIGSYS",
)
