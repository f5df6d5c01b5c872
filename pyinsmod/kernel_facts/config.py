"""The build options that a loader's judgement depends on, read from a kernel's `.config`."""

from __future__ import annotations

from pyinsmod.elf_format import text
from pyinsmod.lean import Iterator, Mapping

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
    "DYNAMIC_FTRACE_WITH_CALL_OPS",
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


def options_in(config: bytes) -> Mapping[str, str]:
    """Return option → value (`MODULE_FORCE_LOAD` → `y`) for what the checks ask of a `.config` text.

    Values stand as they are written, quotes of strings included; an option that is not set is absent.
    """
    # Searched for one after the other: `re` takes longer to import, and to split ten thousand lines takes longer, too.
    lines = b"\n" + config
    beginnings = (*_FAMILIES, *(f"{name}=" for name in _SINGLE))
    return dict(pair for beginning in beginnings for pair in _set(lines, beginning))


def _set(lines: bytes, beginning: str) -> Iterator[tuple[str, str]]:
    """Yield the options that are set and begin so, with their values."""
    wanted = b"\nCONFIG_" + beginning.encode()
    at = lines.find(wanted)
    while at >= 0:
        end = lines.find(b"\n", at + 1)
        line = lines[at + 1 : end if end >= 0 else len(lines)]
        name, equals, value = line.partition(b"=")
        if equals and name.replace(b"_", b"").isalnum():
            yield text(name.removeprefix(b"CONFIG_")), text(value)
        at = lines.find(wanted, at + len(wanted))
