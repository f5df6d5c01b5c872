"""Log lines as the kernels write them, 5.10 to 7.2: which of them explain which answer. Broken lines first."""

from __future__ import annotations

import errno as errno_table
import re
from pathlib import Path

import pytest

import pyinsmod.checks
from pyinsmod.kernel_message_table import MESSAGES
from pyinsmod.kernel_messages import recognise

# Every line that goes with a refusal, with values such as kernels put in, its answer, and who judges it.
LINES = {
    "ENOEXEC": {
        "vermagic": ["m: version magic '6.1 SMP ' should be '6.8 SMP '"],
        "modversions": [
            "m: disagrees about version of symbol module_layout",
            "m: no symbol version for module_layout",
        ],
        "elf": [
            "Module has invalid ELF structures",
            "Invalid ELF header len 10",
            "Invalid ELF header magic: != \x7fELF",
            "Invalid ELF header type: 2 != 1",
            "Invalid architecture in ELF header: 183",
            "Invalid module architecture in ELF header: 21",
            "Invalid ELF section header size",
            "Invalid ELF section header overflow",
            "ELF Spec violation: section 0 type(1)!=SH_NULL or non-zero len or addr",
            "Invalid ELF section in module (section 3 type 1)",
            "Invalid ELF section name index: 0 || e_shstrndx (99) >= e_shnum (40)",
            "Invalid ELF section hdr(type 8)",
            "Invalid ELF section name table type: 1",
            "empty section name table",
            "ELF Spec violation: section name table isn't null terminated",
            "Invalid ELF section name in module (section 3 type 1)",
            "Invalid ELF sh_link!=SHN_UNDEF(0) or (sh_link(99) >= hdr->e_shnum(40)",
            "Only one .modinfo section must exist.",
            "m: module has no symbols (stripped?)",
            "m: No module found in object",
            "module m: Only one .gnu.linkonce.this_module section must exist.",
            "module m: Exactly one .gnu.linkonce.this_module section must exist.",
            "module m: .gnu.linkonce.this_module section must have a size set",
            "module m: .gnu.linkonce.this_module must occupy memory during process execution",
            "module m: .gnu.linkonce.this_module section size must match the kernel's built struct module size",
            "Invalid ELF symbol string table type: 1",
            "empty symbol string table",
            "symbol string table missing leading NUL",
            "symbol string table isn't NUL terminated",
            "symbol name out of bounds in string table",
            "extended version crc+name presence does not match",
            "more extended version crcs than names",
            "m: module PLT section(s) missing",
            "m: module symtab section missing",
        ],
        "symbols": [
            "m: please compile with -fno-common",
            "m: Symbol x has an invalid section index 99 (max 40)",
        ],
        "relocations": [
            "module m: REL relocation unsupported",
            "module: m: Unknown rela relocation: 42",
            "module m: unsupported RELA relocation: 311",
            "module: x86/modules: Skipping invalid relocation target, existing value is nonzero for type 1, loc 0",
            "module: x86/modules: Invalid relocation target, existing value is nonzero for sec 1, idx 2, type 1",
            "module: overflow in relocation type 10 val ffffffffc0000000",
            "module: `m' likely not compiled with -mcmodel=kernel",
        ],
        "section-flags": ["m: section .text (index 3) has invalid WRITE|EXEC flags"],
        "exports": ["m: exports duplicate symbol x (owned by kernel)", "m: no flags for exported symbols"],
        "livepatch": ["m: module is marked as livepatch module, but livepatch support is disabled"],
    },
    "EINVAL": {
        "symbol-versions": ["m: disagrees about version of symbol kmalloc", "m: no symbol version for kmalloc"],
        "namespaces": ["m: module uses symbol (x) from namespace NS, but does not import it."],
        "symbols": ["m: Unknown symbol x (err -22)"],
        "sysfs-name": [
            "m: module is already loaded",
            "kobject: (00000000d0a5a1f4): attempted to be registered with empty name!",
        ],
        "parameters": ["m: `x' invalid for parameter `count'", "list: can only take 4 arguments"],
        "btf": ["failed to validate module [m] BTF: -22"],
        "constructors": ["m: has both .ctors and .init_array."],
        "codetags": ["Failed to load code tags of type alloc_tags from the module m"],
        "livepatch": [
            "livepatch: vmlinux.ko: invalid module name",
            "livepatch: patch 'p' failed for module 'm', refusing to load module 'm'",
        ],
        "compression": ["not an xz compressed module", "decompression failed with status 7"],
    },
    "ENOENT": {
        "symbols": ["m: Unknown symbol x (err -2)"],
        "licence": [
            "m: module using GPL-only symbols uses symbols x from proprietary module nv.",
            "m: module using GPL-only symbols uses symbols from proprietary module nv.",
        ],
        "parameters": ["m: Unknown parameter `x'"],
    },
    "EBUSY": {"symbols": ["m: gave up waiting for init of module bar.", "m: Unknown symbol x (err -16)"]},
    "EPERM": {
        "blacklist": ["Module m is blacklisted"],
        "signature": ["Lockdown: insmod: unsigned module loading is restricted; see man kernel_lockdown.7"],
        "lockdown": ["Lockdown: insmod: unsafe module parameters is restricted; see man kernel_lockdown.7"],
        "namespaces": ["m: module tries to import module namespace: module:kvm"],
        "initcall-blacklist": ["initcall m_init blacklisted"],
        "security-policy": ['LoadPin: kernel-module denied obj="/mnt/m.ko" pid=1 cmdline="insmod"'],
    },
    "EKEYREJECTED": {
        "signature": [
            "Loading of unsigned module is rejected",
            "Loading of module with unavailable key is rejected",
            "Loading of module with unsupported crypto is rejected",
            "Module hash 0123 is blacklisted",
            "X.509: Cert 0123 is blacklisted",
        ]
    },
    "EBADMSG": {"signature": ["module: PKCS#7 signature info has unexpected non-zero params"]},
    "EACCES": {
        "security-policy": [
            "ima: impossible to appraise a module without a file descriptor. sig_enforce kernel parameter might help"
        ]
    },
    "ENOMEM": {"percpu": ["m: Could not allocate 9000 bytes percpu data"]},
    "ENOSPC": {"parameters": ["m: `xyz' too large for parameter `name'"]},
    "ERANGE": {"parameters": ["m: `300' invalid for parameter `byte'"]},
    "EEXIST": {"duplicate-sections": ["sysfs: cannot create duplicate filename '/module/m/sections/.text'"]},
}

# The kernel writes these and goes on: none of them may pass for a reason.
TOLERATED = [
    "m: loading out-of-tree module taints kernel.",
    "m: module verification failed: signature and/or required key missing - tainting kernel",
    "m: module license 'Proprietary' taints kernel.",
    "m: unknown parameter 'x' ignored",
    "m: module uses symbols x from proprietary module nv, inheriting taint.",
    "livepatch: applying patch 'p' to loading module 'm'",
    "Kernel module BTF mismatch detected, BTF debug info may be unavailable for some modules",
    "m: module_layout: kernel tainted.",
    "m: ignoring obsolete section __ksymtab_gpl",
]


def test_what_is_no_line_of_the_loader_explains_nothing() -> None:
    assert recognise([], "ENOEXEC") is None
    assert recognise(["", "hello", "\x1b[2J", "x" * 1_000_000], "ENOEXEC") is None


@pytest.mark.parametrize("line", TOLERATED)
def test_complaints_that_refuse_nothing_decide_nothing(line: str) -> None:
    for errno in errno_table.errorcode.values():
        assert recognise([line], errno) is None


@pytest.mark.parametrize(
    ("errno", "check", "line"),
    [(errno, check, line) for errno, rows in LINES.items() for check, lines in rows.items() for line in lines],
)
def test_a_line_that_goes_with_a_refusal_explains_it(errno: str, check: str, line: str) -> None:
    found = recognise(["unrelated", line, "unrelated"], errno)
    assert found is not None
    assert (found.check, found.line) == (check, line)
    assert "{" not in found.cause + found.remedy.replace("MODULE_IMPORT_NS", "")


@pytest.mark.parametrize("pattern", [pattern for message in MESSAGES for pattern in message.patterns])
def test_every_pattern_has_its_line_here(pattern: str) -> None:
    lines = [line for rows in LINES.values() for lines in rows.values() for line in lines]
    fitting = [line for line in lines if re.search(pattern, line)]
    assert fitting or "livepatch" in pattern or "PKCS" in pattern or "FIPS" in pattern


def test_of_several_lines_the_last_one_counts() -> None:
    found = recognise(["m: Unknown symbol a (err -2)", "m: Unknown symbol b (err -2)"], "ENOENT")
    assert found is not None
    assert "'b'" in found.cause


def test_every_errno_of_the_table_exists() -> None:
    kernel_only = {"ENOTSUPP"}
    names = {name for message in MESSAGES for name in message.errnos} - kernel_only
    assert names <= {*errno_table.errorcode.values(), "EOPNOTSUPP"}


def test_who_judges_a_line_is_a_check_or_the_machine() -> None:
    """A finding is found for a line by the name of its check."""
    sources = Path(pyinsmod.checks.__file__).parent.glob("*.py")
    text = "".join(path.read_text() for path in sources)
    names = set(re.findall(r'(?:^NAME\b.*? = |Finding\(\s+)"([a-z-]+)"', text, re.MULTILINE))
    assert {message.check for message in MESSAGES} - {"lockdown"} <= names
