"""Architectures by the kernel's audit number (<linux/audit.h>) and by uname's name."""

from __future__ import annotations

from pyinsmod.lean import NamedTuple


class Architecture(NamedTuple):
    """One system call interface: its name, audit number, python-ptrace's table, if it has one, and what that lacks.

    `names_apart`: more of what it lacks, in a file beside this one, which is imported when it is asked for.
    """

    name: str
    audit: int
    ptrace_table: str
    lacking: dict[int, str]
    #: Bytes of a pointer and of a C long.
    word: int = 8
    #: Numbers of that table that are another interface's.
    foreign: range = range(0)
    #: How a 64-bit member of a structure is aligned.
    align_64: int = 8
    names_apart: str = ""


# Since Linux 5.1 new calls have one number everywhere (scripts/syscall.tbl); current to Linux 7.1.
COMMON_SINCE_5_1 = {
    424: "pidfd_send_signal",
    425: "io_uring_setup",
    426: "io_uring_enter",
    427: "io_uring_register",
    428: "open_tree",
    429: "move_mount",
    430: "fsopen",
    431: "fsconfig",
    432: "fsmount",
    433: "fspick",
    434: "pidfd_open",
    435: "clone3",
    436: "close_range",
    437: "openat2",
    438: "pidfd_getfd",
    439: "faccessat2",
    440: "process_madvise",
    441: "epoll_pwait2",
    442: "mount_setattr",
    443: "quotactl_fd",
    444: "landlock_create_ruleset",
    445: "landlock_add_rule",
    446: "landlock_restrict_self",
    447: "memfd_secret",
    448: "process_mrelease",
    449: "futex_waitv",
    450: "set_mempolicy_home_node",
    451: "cachestat",
    452: "fchmodat2",
    453: "map_shadow_stack",
    454: "futex_wake",
    455: "futex_wait",
    456: "futex_requeue",
    457: "statmount",
    458: "listmount",
    459: "lsm_get_self_attr",
    460: "lsm_set_self_attr",
    461: "lsm_list_modules",
    462: "mseal",
    463: "setxattrat",
    464: "getxattrat",
    465: "listxattrat",
    466: "removexattrat",
    467: "open_tree_attr",
    468: "file_getattr",
    469: "file_setattr",
    470: "listns",
    471: "rseq_slice_yield",
}

# 283 is misnamed in python-ptrace 0.9.9; 334 to 336 came with 4.18, 6.11 and 6.18.
_X86_64 = {283: "timerfd_create", 334: "rseq", 335: "uretprobe", 336: "uprobe"}

# The generic table (include/uapi/asm-generic/unistd.h), as arm64 has it, and calls of its own (asm/unistd.h).
_RISCV64 = {258: "riscv_hwprobe", 259: "riscv_flush_icache"}

# Programs of the x32 interface use these, with another bit set.
_X32 = range(512, 548)

ARCHITECTURES = (
    Architecture("x86_64", 0xC000003E, "x86_64", COMMON_SINCE_5_1 | _X86_64, foreign=_X32),
    Architecture("aarch64", 0xC00000B7, "aarch64", COMMON_SINCE_5_1),
    Architecture("riscv64", 0xC00000F3, "aarch64", COMMON_SINCE_5_1 | _RISCV64),
    Architecture("i386", 0x40000003, "i386", COMMON_SINCE_5_1, word=4, align_64=4, names_apart="i386"),
    Architecture("arm", 0x40000028, "", COMMON_SINCE_5_1, word=4, names_apart="arm"),
)
BY_NAME = {architecture.name: architecture for architecture in ARCHITECTURES}
BY_AUDIT = {architecture.audit: architecture for architecture in ARCHITECTURES}

#: What a process of this machine may also be: 32-bit programs on a 64-bit kernel.
COMPANIONS = {"x86_64": ("i386",), "aarch64": ("arm",)}
