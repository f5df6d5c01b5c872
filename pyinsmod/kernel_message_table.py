"""The lines the loader writes when it refuses, and what they mean. Data only; `kernel_messages` reads it.

The wordings are those of 5.10 to 7.2 (kernel/module/, kernel/params.c, arch/*/kernel/module.c, kernel/livepatch/,
fs/sysfs/, kernel/bpf/btf.c). Order matters: the first row that fits counts.
"""

from __future__ import annotations

from typing import NamedTuple

REBUILD = "build it for this kernel: make -C /lib/modules/$(uname -r)/build M=$PWD clean modules"
COPY_AGAIN = "get the file again, and compare the copy with the original: sha256sum FILE"
PARAMETERS = "see which parameters it has: modinfo -p FILE"
SIGN = "sign it with a key the kernel trusts (sign-file of its build tree); mokutil --import KEY enrolls one"
COMMAND_LINE = "boot without it; this shows the line: cat /proc/cmdline"


class KernelMessage(NamedTuple):
    """Patterns of one kind of log line, the answers it explains, the check that knows more, cause and remedy.

    A line that belongs to another answer (a BTF complaint that is tolerated, before an init function fails)
    decides nothing. In `cause` and `remedy`, `{line}` is the whole line, other names are groups of the patterns.
    """

    patterns: tuple[str, ...]
    errnos: tuple[str, ...]
    check: str
    cause: str
    remedy: str


MESSAGES = (
    KernelMessage(
        (r"version magic '(?P<module>.*)' should be '(?P<kernel>.*)'",),
        ("ENOEXEC",),
        "vermagic",
        "vermagic '{module}' differs from the kernel's '{kernel}'",
        REBUILD,
    ),
    KernelMessage(
        (r"disagrees about version of symbol (?P<symbol>module_layout)$",),
        ("ENOEXEC",),
        "modversions",
        "built against another 'module_layout' than this kernel's: the versions (CRCs) of that symbol differ",
        REBUILD,
    ),
    KernelMessage(
        (r"disagrees about version of symbol (?P<symbol>\S+)",),
        ("EINVAL",),
        "symbol-versions",
        "built against another '{symbol}' than this kernel's: the symbol versions (CRCs) differ",
        REBUILD,
    ),
    KernelMessage(
        (r"no symbol version for (?P<symbol>\S+)",),
        ("ENOEXEC",),
        "modversions",
        "the module carries no version (CRC) for the symbol '{symbol}', and this kernel wants one",
        REBUILD,
    ),
    KernelMessage(
        (r"no symbol version for (?P<symbol>\S+)",),
        ("EINVAL",),
        "symbol-versions",
        "the module carries no version (CRC) for the symbol '{symbol}', and this kernel wants one",
        REBUILD,
    ),
    KernelMessage(
        (r"uses symbol \(?(?P<symbol>[^\s)]+)\)? from namespace (?P<namespace>\S+), but does not import it",),
        ("EINVAL",),
        "namespaces",
        "symbol '{symbol}' belongs to the namespace {namespace}, which the module does not import",
        'add to its source: MODULE_IMPORT_NS("{namespace}"); (without quotes before 6.13)',
    ),
    KernelMessage(
        (r"uses symbols (?:(?P<symbol>\S+) )?from proprietary module (?P<owner>\S+?)\.$",),
        ("ENOENT",),
        "licence",
        "it uses GPL-only symbols and also symbols {symbol} of the proprietary module {owner}",
        "a module may use one kind or the other, not both",
    ),
    KernelMessage(
        (r"gave up waiting for init of module (?P<owner>\S+?)\.$",),
        ("EBUSY",),
        "symbols",
        "module '{owner}', whose symbols it needs, did not finish its own init in 30 seconds",
        "see what it waits for: cat /sys/module/{owner}/initstate; dmesg | grep {owner}",
    ),
    KernelMessage(
        (r"Symbol (?P<symbol>\S+) has an invalid section index (?P<index>\d+) \(max \d+\)",),
        ("ENOEXEC",),
        "symbols",
        "the file is damaged: symbol '{symbol}' lies in section {index}, which does not exist",
        COPY_AGAIN,
    ),
    KernelMessage(
        (r": please compile with -fno-common",),
        ("ENOEXEC",),
        "symbols",
        "it has common symbols, which modules may not have",
        "build it with -fno-common",
    ),
    KernelMessage(
        (r"Unknown symbol (?P<symbol>\S+) \(err -2\)",),
        ("ENOENT",),
        "symbols",
        "unknown symbol '{symbol}': neither the kernel nor a loaded module exports it to this module",
        "load the module that exports it first: grep -w {symbol} /lib/modules/$(uname -r)/modules.symbols",
    ),
    KernelMessage(
        (r"Unknown symbol (?P<symbol>\S+) \(err (?P<number>-\d+)\)",),
        ("EINVAL", "EBUSY"),
        "symbols",
        "symbol '{symbol}' cannot be used by this module (error {number})",
        REBUILD,
    ),
    KernelMessage(
        (r"exports duplicate symbol (?P<symbol>\S+) \(owned by (?P<owner>\S+)\)",),
        ("ENOEXEC",),
        "exports",
        "it exports '{symbol}', which {owner} exports already",
        "rename the symbol, or remove the other module first",
    ),
    KernelMessage(
        (r"^Module (?P<module>\S+) is blacklisted",),
        ("EPERM",),
        "blacklist",
        "'{module}' is named in module_blacklist= of the kernel's command line",
        COMMAND_LINE,
    ),
    KernelMessage(
        (r"Lockdown: .*: unsigned module loading is restricted",),
        ("EPERM",),
        "signature",
        "the kernel is locked down (Secure Boot?) and takes no module without a valid signature",
        SIGN,
    ),
    KernelMessage(
        (r"Lockdown: .*: (?P<what>.*) is restricted",),
        ("EPERM", "EINVAL"),
        "lockdown",
        "the kernel is locked down (Secure Boot?) and forbids: {what}",
        "see how far it is locked down, and why: cat /sys/kernel/security/lockdown; man kernel_lockdown",
    ),
    KernelMessage(
        (r"Loading of (?P<what>.*) is rejected",),
        ("EKEYREJECTED",),
        "signature",
        "the kernel enforces module signatures and rejects this one: {what}",
        SIGN,
    ),
    KernelMessage(
        (r"Module hash .* is blacklisted", r"X\.509: Cert .* is blacklisted", r"PKCS7: - blacklisted"),
        ("EKEYREJECTED",),
        "signature",
        "the hash of this module, or the key it is signed with, is on the kernel's revocation list",
        "use a module that was not revoked",
    ),
    KernelMessage(
        (r"PKCS#7 signature info has unexpected non-zero params", r"PKCS#7 signature with non-detached data"),
        ("EBADMSG",),
        "signature",
        "the appended signature is damaged: {line}",
        COPY_AGAIN,
    ),
    KernelMessage(
        (r"signature verification failed in FIPS mode",),
        ("EKEYREJECTED", "EBADMSG", "ENOKEY", "ENOPKG"),
        "signature",
        "the signature cannot be verified, which a kernel in FIPS mode does not forgive",
        SIGN,
    ),
    KernelMessage(
        (r"initcall (?P<function>\S+) blacklisted",),
        ("EPERM",),
        "initcall-blacklist",
        "its init function {function} is named in initcall_blacklist= of the kernel's command line",
        COMMAND_LINE,
    ),
    KernelMessage(
        (r"impossible to appraise a module without a file descriptor",),
        ("EACCES",),
        "security-policy",
        "the integrity policy (IMA) takes modules from files only, not from memory",
        "unpack the file first and load it as it is: --syscall finit_module",
    ),
    KernelMessage(
        (r"LoadPin: kernel-module (?:old-api-)?denied",),
        ("EPERM",),
        "security-policy",
        "LoadPin takes modules from one file system only, usually the read-only root; this file is not on it",
        "put the module on that file system; this shows where LoadPin is pinned to: dmesg | grep LoadPin",
    ),
    KernelMessage(
        (r": module is already loaded",),
        ("EINVAL",),
        "sysfs-name",
        "a module of that name is built into the kernel",
        "nothing to load: the kernel has it",
    ),
    KernelMessage(
        (r"attempted to be registered with empty name",),
        ("EINVAL",),
        "sysfs-name",
        "the module has no name",
        REBUILD,
    ),
    KernelMessage(
        (r"(?P<parameter>[^\s:]+): can only take (?P<count>\d+) arguments",),
        ("EINVAL",),
        "parameters",
        "the parameter '{parameter}' takes at most {count} values",
        PARAMETERS,
    ),
    KernelMessage(
        (r": `(?P<value>.*)' too large for parameter `(?P<parameter>.*)'",),
        ("ENOSPC", "ERANGE"),
        "parameters",
        "the value '{value}' is too large for the parameter '{parameter}'",
        PARAMETERS,
    ),
    KernelMessage(
        (r": `(?P<value>.*)' invalid for parameter `(?P<parameter>.*)'",),
        ("EINVAL", "ERANGE", "EPERM"),
        "parameters",
        "the value '{value}' is not valid for the parameter '{parameter}'",
        PARAMETERS,
    ),
    KernelMessage(
        (r": Unknown parameter `(?P<parameter>.*)'",),
        ("ENOENT",),
        "parameters",
        "the parameter '{parameter}' is unknown to the module",
        PARAMETERS,
    ),
    KernelMessage(
        (r"Unknown rela relocation: (?P<type>\d+)", r"unsupported RELA relocation: (?P<other>\d+)"),
        ("ENOEXEC",),
        "relocations",
        "it has relocations of a type no module may have: it was built like a program or library (-fPIC)",
        REBUILD,
    ),
    KernelMessage(
        (r"[Ii]nvalid relocation target, existing value is nonzero",),
        ("ENOEXEC",),
        "relocations",
        "relocations were already applied to it",
        "build it again, and do not link or post-process the .ko",
    ),
    KernelMessage(
        (r"overflow in relocation type (?P<type>\d+)", r"likely not compiled with -mcmodel=kernel"),
        ("ENOEXEC",),
        "relocations",
        "one of its relocations does not reach on this kernel: it was not built with the kernel's memory model",
        REBUILD,
    ),
    KernelMessage(
        (r"REL relocation unsupported",),
        ("ENOEXEC",),
        "relocations",
        "it has relocations without addends (SHT_REL), which this architecture does not take",
        REBUILD,
    ),
    KernelMessage(
        (r"section (?P<section>.*) \(index \d+\) has invalid WRITE\|EXEC flags",),
        ("ENOEXEC",),
        "section-flags",
        "section {section} is writable and executable at once, which the kernel forbids",
        REBUILD,
    ),
    KernelMessage(
        (r": no flags for exported symbols",),
        ("ENOEXEC",),
        "exports",
        "its exported symbols have no flags table: it was built by the build system of an older kernel",
        REBUILD,
    ),
    KernelMessage(
        (r"module tries to import module namespace: (?P<namespace>.*)",),
        ("EPERM",),
        "namespaces",
        "it imports the namespace '{namespace}', which is reserved for the modules named in it",
        "remove that MODULE_IMPORT_NS from its source",
    ),
    KernelMessage(
        (r"failed to validate module \[.*\] BTF: (?P<number>-\d+)",),
        ("EINVAL", "ENOEXEC", "ENOMEM", "E2BIG", "ENOTSUPP"),
        "btf",
        "its type information (BTF) does not fit this kernel's (error {number})",
        "build it for this very kernel, or remove it: objcopy --remove-section .BTF FILE",
    ),
    KernelMessage(
        (r"Could not allocate (?P<size>\d+) bytes percpu data",),
        ("ENOMEM",),
        "percpu",
        "its {size} bytes of per-CPU data do not fit into what the kernel keeps for modules",
        "remove other modules with per-CPU data, or make this one allocate it with alloc_percpu",
    ),
    KernelMessage(
        (r"has both \.ctors and \.init_array",),
        ("EINVAL",),
        "constructors",
        "it has both .ctors and .init_array",
        REBUILD,
    ),
    KernelMessage(
        (r"cannot create duplicate filename '/module/(?P<name>[^']*)'",),
        ("EEXIST",),
        "duplicate-sections",
        "two of its sections have the same name: /sys/module/{name} would be there twice",
        REBUILD,
    ),
    KernelMessage(
        (r"livepatch: vmlinux\.ko: invalid module name",),
        ("EINVAL",),
        "livepatch",
        "no module may be called vmlinux where live patching is built in",
        "build it under another name",
    ),
    KernelMessage(
        (
            r"livepatch: patch '.*' failed for module '.*', refusing to load",
            r"marked as livepatch module, but livepatch support",
            r"livepatch: module \S+ is not marked as a livepatch",
            r"livepatch: Livepatch patch .* is not compatible",
            r"livepatch: failed to",
            r"livepatch: (?:symbol|section) \S+ (?:has an incorrectly|is not marked|not found|position)",
            r"livepatch: invalid access to vmlinux symbol",
        ),
        ("EINVAL", "ENOEXEC", "EBUSY", "EEXIST", "ENOENT", "ENOMEM"),
        "livepatch",
        "live patching refuses it: {line}",
        "see the active patches: ls /sys/kernel/livepatch",
    ),
    KernelMessage(
        (r"not an? (?P<format>\w+) compressed module", r"^decompression failed with status"),
        ("EINVAL", "ENOMEM"),
        "compression",
        "the kernel cannot unpack the file: {line}",
        "unpack it first, or let pyinsmod do so: --syscall init_module",
    ),
    KernelMessage(
        (r"Failed to load code tags of type \S+ from the module",),
        ("EINVAL",),
        "codetags",
        "the kernel profiles allocations, and the module was built without: {line}",
        REBUILD,
    ),
    KernelMessage(
        (r"extended version crc\+name presence does not match", r"more extended version crcs than names"),
        ("ENOEXEC",),
        "elf",
        "its extended symbol versions are damaged: {line}",
        REBUILD,
    ),
    KernelMessage(
        (r"Invalid architecture in ELF header: (?P<machine>\d+)", r"Invalid module architecture in ELF header"),
        ("ENOEXEC",),
        "elf",
        "built for another architecture than this kernel's: {line}",
        REBUILD,
    ),
    KernelMessage(
        (
            r"Invalid ELF header (?:len|magic|type)",
            r"Invalid ELF section",
            r"Invalid ELF sh_link",
            r"Invalid ELF symbol string table type",
            r"ELF Spec violation",
            r"Module has invalid ELF structures",
            r"empty section name table",
            r"empty symbol string table",
            r"Only one \.modinfo section must exist",
            r"\.gnu\.linkonce\.this_module (?:section )?must",
            r"this_module section size must match",
            r": No module found in object",
            r": module has no symbols \(stripped\?\)",
            r"symbol string table missing leading NUL",
            r"symbol string table isn't NUL terminated",
            r"symbol name out of bounds in string table",
            r": module (?:PLT|symtab) section\(?s?\)? missing",
        ),
        ("ENOEXEC",),
        "elf",
        "the file is not a sound module: {line}",
        COPY_AGAIN,
    ),
)
