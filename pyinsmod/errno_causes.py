"""What each errno of the module calls can mean when neither log nor prediction says more. Data only."""

from __future__ import annotations

from pyinsmod.lean import NamedTuple


class ErrnoCause(NamedTuple):
    """One sentence for people, and what to do."""

    cause: str
    remedy: str | None


# Silent answers of the loader that no init function gives in earnest.
ONLY_THE_LOADER = frozenset({"ENOSYS", "EKEYREJECTED", "EBADMSG", "ETXTBSY", "ENOEXEC", "EOPNOTSUPP"})

CAUSES = {
    "EPERM": ErrnoCause(
        "not permitted, although the process may load modules: a security module (lockdown, LoadPin), a "
        "blacklist, or its init function said so",
        "cat /sys/kernel/security/lockdown /sys/kernel/security/lsm; dmesg | tail",
    ),
    "ENOEXEC": ErrnoCause(
        "the kernel does not accept the file as a module for itself, and does not say why: no vermagic, no "
        "symbol versions, or a damaged file",
        "pyinsmod check FILE",
    ),
    "EINVAL": ErrnoCause(
        "a parameter, a symbol version, a namespace or a flag is not valid, or its init function said so",
        "dmesg | tail; modinfo -p FILE lists the parameters",
    ),
    "ENOENT": ErrnoCause(
        "a symbol it needs is not exported by the kernel or a loaded module, or is only for GPL modules",
        "dmesg | grep 'Unknown symbol'; load the module that exports it first: modprobe does so",
    ),
    "EEXIST": ErrnoCause(
        "a module of that name is loaded already (the name inside the module counts, not the file's)",
        "lsmod shows it; pyinsmod unload NAME removes it",
    ),
    "EBUSY": ErrnoCause(
        "a module of that name is being loaded or removed, or a module it needs has not finished its init",
        "try again; grep -E 'Loading|Unloading' /proc/modules",
    ),
    "EKEYREJECTED": ErrnoCause(
        "the signature is rejected: the file was changed after signing, or its key is not trusted",
        "sign it again after the last change, with a key the kernel trusts",
    ),
    "EBADMSG": ErrnoCause(
        "the appended signature is damaged",
        "get the file again, or cut the signature off: strip --strip-debug FILE",
    ),
    "ENOMEM": ErrnoCause(
        "the kernel has no memory left for the module, or no room for its per-CPU data",
        "dmesg | tail; free -m",
    ),
    "ERANGE": ErrnoCause("a parameter value is out of range", "modinfo -p FILE lists the parameters and their types"),
    "ENOSPC": ErrnoCause("a parameter value is too long", "modinfo -p FILE lists the parameters and their types"),
    "EFAULT": ErrnoCause("the kernel could not read the image or the parameters from this process", None),
    "EBADF": ErrnoCause("the file is not open for reading", None),
    "ETXTBSY": ErrnoCause("another process has the file open for writing", "fuser -v FILE shows who"),
    "EFBIG": ErrnoCause("the file is too big for a module (2 GiB)", None),
    "EIO": ErrnoCause("the kernel could not read the whole file", "look for disk errors: dmesg | tail"),
    "EOPNOTSUPP": ErrnoCause(
        "this kernel does not unpack compressed modules (CONFIG_MODULE_DECOMPRESS is off)",
        "let pyinsmod unpack it: --syscall init_module",
    ),
    "EACCES": ErrnoCause(
        "a security module (SELinux, IMA, IPE) forbids loading this file",
        "ausearch -m avc -ts recent; cat /sys/kernel/security/lsm",
    ),
    "EINTR": ErrnoCause("a signal came while it waited for another load of the same module", "try again"),
    "ENOSYS": ErrnoCause(
        "this kernel has no such system call: it was built without loadable modules (CONFIG_MODULES is off), "
        "or a sandbox (seccomp) hides the call",
        "boot a kernel with CONFIG_MODULES=y, or leave the container",
    ),
}
