"""The build options that a loader's judgement depends on, read from a kernel's `.config`."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pyinsmod.elf_format import text

# Whole families are named by their beginning: what kbuild adds to them is wanted as well.
_FAMILIES = (
    "MODULE",  # MODULES, MODULE_SIG*, MODULE_COMPRESS*, MODULE_DECOMPRESS, MODULE_ALLOW_*, MODULE_FORCE_*
    "DEBUG_INFO_BTF",
    "IMA_APPRAISE",
    "KALLSYMS",
    "LOCK_DOWN",
    "MEM_ALLOC_PROFILING",
    "PREEMPT",
    "RANDSTRUCT",
    "SECURITY_LOADPIN",
    "SECURITY_LOCKDOWN",
)
_SINGLE = (
    "64BIT",
    "BASIC_MODVERSIONS",
    "CONSTRUCTORS",
    "DYNAMIC_FTRACE",
    "DYNAMIC_FTRACE_WITH_REGS",
    "EXTENDED_MODVERSIONS",
    "HAVE_ARCH_PREL32_RELOCATIONS",
    "IMA",
    "INTEGRITY_PLATFORM_KEYRING",
    "KPROBES",
    "LIVEPATCH",
    "MITIGATION_RETPOLINE",
    "MODVERSIONS",
    "NR_CPUS",
    "PROC_KCORE",
    "RETPOLINE",
    "SECONDARY_TRUSTED_KEYRING",
    "SMP",
    "STRICT_MODULE_RWX",
    "SYSTEM_TRUSTED_KEYRING",
    "TRIM_UNUSED_KSYMS",
    "UNUSED_SYMBOLS",
)
_LINE = re.compile(
    rb"^CONFIG_((?:%s)\w*|%s)=(.*)$" % ("|".join(_FAMILIES).encode(), "|".join(_SINGLE).encode()), re.MULTILINE
)


def options_in(config: bytes) -> Mapping[str, str]:
    """Return option → value (`MODULE_FORCE_LOAD` → `y`) for what the checks ask of a `.config` text.

    Values stand as they are written, quotes of strings included; an option that is not set is absent.
    """
    return {text(name): text(value) for name, value in _LINE.findall(config)}
