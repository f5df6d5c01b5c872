"""What the loader writes to the kernel's log when it refuses, and what that means. The first match counts.

Patterns cover the wordings of 5.10 to 7.2. `errnos` are the answers a line can go with: a line that belongs
to another answer (a BTF complaint that is tolerated, before an init function fails) decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

REBUILD = "build it for this kernel: make -C /lib/modules/$(uname -r)/build M=$PWD clean modules"
COPY_AGAIN = "get the file again, and compare the copy with the original: sha256sum FILE"
PARAMETERS = "modinfo -p FILE lists the parameters and their types"
SIGN = "sign it with a key the kernel trusts (sign-file of its build tree); mokutil --import KEY enrolls one"


class KernelMessage(NamedTuple):
    """A pattern of a log line, the answers it explains, the check that knows more, cause and remedy."""

    pattern: str
    errnos: tuple[str, ...]
    check: str
    cause: str
    remedy: str


class Recognised(NamedTuple):
    """A log line that explains the refusal, in words."""

    check: str
    cause: str
    remedy: str
    values: dict[str, str]


MESSAGES = (
    KernelMessage(
        r"version magic '(?P<module>.*)' should be '(?P<kernel>.*)'",
        ("ENOEXEC",),
        "vermagic",
        "vermagic '{module}' differs from the kernel's '{kernel}'",
        REBUILD,
    ),
    KernelMessage(
        r"disagrees about version of symbol (?P<symbol>\S+)",
        ("ENOEXEC", "EINVAL"),
        "versions",
        "built against another '{symbol}' than this kernel's: the symbol versions (CRCs) differ",
        REBUILD,
    ),
    KernelMessage(
        r"no symbol version for (?P<symbol>\S+)",
        ("ENOEXEC", "EINVAL"),
        "versions",
        "the module carries no version (CRC) for the symbol '{symbol}', and this kernel wants one",
        REBUILD,
    ),
    KernelMessage(
        r"uses symbol \(?(?P<symbol>[^\s)]+)\)? from namespace (?P<namespace>\S+), but does not import it",
        ("EINVAL",),
        "namespaces",
        "symbol '{symbol}' belongs to the namespace {namespace}, which the module does not import",
        'add to its source: MODULE_IMPORT_NS("{namespace}"); (without quotes before 6.13)',
    ),
    KernelMessage(
        r"uses symbols? (?P<symbol>\S*) ?from proprietary module (?P<owner>\S+?)\.",
        ("ENOENT",),
        "licence",
        "it uses GPL-only symbols and also '{symbol}' of the proprietary module {owner}",
        "a module may use one kind or the other, not both",
    ),
    KernelMessage(
        r"gave up waiting for init of module (?P<owner>\S+?)\.",
        ("EBUSY",),
        "symbols",
        "module '{owner}', whose symbols it needs, did not finish its own init in 30 seconds",
        "see what it waits for: cat /sys/module/{owner}/initstate; dmesg | grep {owner}",
    ),
    KernelMessage(
        r"Unknown symbol (?P<symbol>\S+) \(err -2\)",
        ("ENOENT",),
        "symbols",
        "unknown symbol '{symbol}': neither the kernel nor a loaded module exports it to this module",
        "load the module that exports it first: grep -w {symbol} /lib/modules/$(uname -r)/modules.symbols",
    ),
    KernelMessage(
        r"Unknown symbol (?P<symbol>\S+) \(err (?P<number>-\d+)\)",
        ("EINVAL", "EBUSY"),
        "symbols",
        "symbol '{symbol}' cannot be used by this module (error {number})",
        REBUILD,
    ),
    KernelMessage(
        r"exports duplicate symbol (?P<symbol>\S+) \(owned by (?P<owner>\S+)\)",
        ("ENOEXEC",),
        "exports",
        "it exports '{symbol}', which {owner} exports already",
        "rename the symbol, or remove the other module first",
    ),
    KernelMessage(
        r"Module (?P<module>\S+) is blacklisted",
        ("EPERM",),
        "blacklist",
        "'{module}' is named in module_blacklist= of the kernel's command line",
        "boot without it: cat /proc/cmdline shows the line",
    ),
    KernelMessage(
        r"unsigned module loading is restricted",
        ("EPERM",),
        "signature",
        "the kernel is locked down (Secure Boot?) and takes no module without a valid signature",
        SIGN,
    ),
    KernelMessage(
        r"[Ll]oading of (?P<what>.*) is rejected",
        ("EKEYREJECTED",),
        "signature",
        "the kernel enforces module signatures and rejects this one: {what}",
        SIGN,
    ),
    KernelMessage(
        r"Module hash .* is blacklisted",
        ("EKEYREJECTED",),
        "signature",
        "the hash of this module is on the kernel's revocation list",
        "use a module that was not revoked",
    ),
    KernelMessage(
        r"PKCS#7 signature info has unexpected non-zero params",
        ("EBADMSG",),
        "signature",
        "the appended signature is damaged: its information block is not as it should be",
        COPY_AGAIN,
    ),
    KernelMessage(
        r"initcall (?P<function>\S+) blacklisted",
        ("EPERM",),
        "initcall-blacklist",
        "its init function {function} is named in initcall_blacklist= of the kernel's command line",
        "boot without it: cat /proc/cmdline shows the line",
    ),
    KernelMessage(
        r": module is already loaded",
        ("EINVAL",),
        "sysfs-name",
        "a module of that name is built into the kernel",
        "nothing to load: the kernel has it",
    ),
    KernelMessage(
        r"`(?P<value>.*)' invalid for parameter `(?P<parameter>.*)'",
        ("EINVAL", "ERANGE"),
        "parameters",
        "the value '{value}' is not valid for the parameter '{parameter}'",
        PARAMETERS,
    ),
    KernelMessage(
        r"`(?P<value>.*)' too large for parameter `(?P<parameter>.*)'",
        ("ENOSPC", "ERANGE"),
        "parameters",
        "the value '{value}' is too large for the parameter '{parameter}'",
        PARAMETERS,
    ),
    KernelMessage(
        r"(?P<parameter>\S+): can only take (?P<count>\d+) arguments",
        ("EINVAL",),
        "parameters",
        "the parameter '{parameter}' takes at most {count} values",
        PARAMETERS,
    ),
    KernelMessage(
        r"Unknown rela relocation: (?P<type>\d+)|unsupported RELA relocation: (?P<other>\d+)",
        ("ENOEXEC",),
        "relocations",
        "it has relocations of a type no module may have: it was built like a program or library (-fPIC)",
        REBUILD,
    ),
    KernelMessage(
        r"[Ii]nvalid relocation target",
        ("ENOEXEC",),
        "relocations",
        "relocations were already applied to it",
        "build it again, and do not link or post-process the .ko",
    ),
    KernelMessage(
        r"overflow in relocation type (?P<type>\d+)|REL relocation unsupported",
        ("ENOEXEC",),
        "relocations",
        "one of its relocations cannot be applied on this kernel",
        REBUILD,
    ),
    KernelMessage(
        r"section (?P<section>\S+) \(index \d+\) has invalid WRITE\|EXEC flags",
        ("ENOEXEC",),
        "sections",
        "section {section} is writable and executable at once, which the kernel forbids",
        REBUILD,
    ),
    KernelMessage(
        r"no flags for exported symbols",
        ("ENOEXEC",),
        "exports",
        "its exported symbols have no flags table: it was built by the build system of an older kernel",
        REBUILD,
    ),
    KernelMessage(
        r"tries to import module namespace: (?P<namespace>\S+)",
        ("EPERM",),
        "namespaces",
        "it imports the namespace {namespace}, which is reserved for modules named in it",
        "remove that MODULE_IMPORT_NS from its source",
    ),
    KernelMessage(
        r"failed to validate module \[.*\] BTF: (?P<number>-\d+)",
        ("EINVAL", "ENOEXEC", "ENOMEM"),
        "btf",
        "its type information (BTF) does not fit this kernel's (error {number})",
        "build it for this very kernel, or remove it: objcopy --remove-section .BTF FILE",
    ),
    KernelMessage(
        r"please compile with -fno-common",
        ("ENOEXEC",),
        "symbols",
        "it has common symbols, which modules may not have",
        "build it with -fno-common",
    ),
    KernelMessage(
        r"Could not allocate (?P<size>\d+) bytes percpu data",
        ("ENOMEM",),
        "memory",
        "its {size} bytes of per-CPU data do not fit into what the kernel keeps for modules",
        "remove other modules with per-CPU data, or make this one allocate it with alloc_percpu",
    ),
    KernelMessage(
        r"has both \.ctors and \.init_array",
        ("EINVAL",),
        "sections",
        "it has both .ctors and .init_array",
        REBUILD,
    ),
    KernelMessage(
        r"cannot create duplicate filename '/module/(?P<name>[^']*)'",
        ("EEXIST",),
        "sections",
        "two of its sections have the same name: /sys/module/{name} would be there twice",
        REBUILD,
    ),
    KernelMessage(
        r"livepatch: (?P<text>.*)|marked as livepatch module, but",
        ("EINVAL", "ENOEXEC", "EBUSY", "EEXIST", "ENOENT", "ENOMEM"),
        "livepatch",
        "live patching refuses it: {line}",
        "see /sys/kernel/livepatch for the active patches",
    ),
    KernelMessage(
        r"not an? (?P<format>\w+) compressed module|decompression failed",
        ("EINVAL", "ENOMEM"),
        "compression",
        "the kernel cannot unpack the file: {line}",
        "unpack it first, or let pyinsmod do so: --syscall init_module",
    ),
    KernelMessage(
        r"Failed to load code tags",
        ("EINVAL",),
        "sections",
        "the kernel profiles allocations, and the module was built without: {line}",
        REBUILD,
    ),
    KernelMessage(
        r"[Ii]nvalid ELF|Invalid (module )?architecture|ELF Spec violation|empty (section|symbol)"
        r"|\.modinfo section must exist|this_module section|No module found in object|has no symbols \(strip"
        r"|symbol string table|symbol name out of bounds|extended version|module (PLT|symtab) section"
        r"|invalid section index",
        ("ENOEXEC",),
        "elf",
        "the file is not a sound module: {line}",
        COPY_AGAIN,
    ),
)


def recognise(lines: Sequence[str], errno: str) -> Recognised | None:
    """Return what the log says about this answer: the first row of the table that a line fits, or None."""
    for message in MESSAGES:
        if errno not in message.errnos:
            continue
        # The last of several lines counts: simplify_symbols and parse_args go on after an error.
        for line in reversed(lines):
            match = re.search(message.pattern, line)
            if match:
                values = {name: value or "" for name, value in match.groupdict().items()}
                words = {**values, "line": line}
                return Recognised(message.check, message.cause.format(**words), message.remedy.format(**words), values)
    return None
