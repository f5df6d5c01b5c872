"""What loaders do differently, and by what a kernel shows that it does so. No version number decides anything.

A feature is there when a symbol of /proc/kallsyms, a section of vmlinux or a sentence that only such a loader
can print is there. Distributions carry changes back (6.12.117 has what 6.12.107 has not), and this table sees
it. Where no evidence is readable, the feature is unknown.
"""

from __future__ import annotations

from pyinsmod.lean import Callable, NamedTuple


class Evidence(NamedTuple):
    """By what a feature shows: any one of these is enough.

    `symbols` are names of /proc/kallsyms, `messages` texts in the read-only data, `exports` functions that are
    exported since the release of a change which leaves no other trace.
    """

    symbols: tuple[str, ...] = ()
    messages: tuple[bytes, ...] = ()
    exports: tuple[str, ...] = ()


FEATURES: dict[str, Evidence] = {
    # Same inode at the same time: one load, one answer for all (since 6.5). The loaders that do so also count
    # .modinfo, symbol tables and this_module sections, and test the name before memory is allocated (6.4).
    "idempotent-load": Evidence(("idempotent_init_module",), (b".gnu.linkonce.this_module section must exist",)),
    # One table of exports with a byte of flags each (7.x); GPL-only is a bit there.
    "export-flags": Evidence(("__start___kflagstab",), (b"%s: no flags for exported symbols",)),
    # elf_validity_cache_* as a family: every section's name is tested, not only that of SHF_ALLOC ones.
    "section-names-all-tested": Evidence((), (b"Invalid ELF section name table type",)),
    # An empty table of section names is refused; loaders before 6.0 read the byte before its beginning.
    "empty-section-names-tested": Evidence((), (b"empty section name table",)),
    # elf_validity_cache_strtab looks into the symbol string table.
    "symbol-strings-tested": Evidence((), (b"symbol string table missing leading NUL", b"symbol name out of bounds")),
    # simplify_symbols tests st_shndx against the number of sections.
    "symbol-sections-tested": Evidence((), (b"has an invalid section index",)),
    # Symbol versions in __version_ext_crcs and __version_ext_names (since 6.14).
    "extended-versions": Evidence((), (b"extended version crc+name",)),
    # Namespaces `module:NAMES` (since 6.16).
    "module-namespaces": Evidence((), (b"module tries to import module namespace",)),
    # Type information of modules is looked at (since 5.11, CONFIG_DEBUG_INFO_BTF_MODULES); one sentence or the other.
    "module-btf": Evidence((), (b"failed to validate module [%s] BTF", b"Kernel module BTF mismatch detected")),
    # Bad type information of a module is tolerated: 6.12 with CONFIG_MODULE_ALLOW_BTF_MISMATCH has this sentence, and
    # without it has not; of 6.1, which has neither, only the configuration tells.
    "btf-mismatch-tolerated": Evidence((), (b"Kernel module BTF mismatch detected",)),
    # BTF's header has a third section.
    "btf-layout": Evidence((), (b"Layout section is too small",)),
    # Bits of `info` without a meaning must be 0; kernels that take more than 65535 members have no such bits.
    "btf-masked-info": Evidence((), (b"Invalid btf_info:%x",)),
    # btf_check_type_tags, later btf_check_modifier_chain_length.
    "btf-chains": Evidence((), (b"Max chain length or cycle detected",)),
    "btf-tags-first": Evidence((), (b"Type tags don't precede modifiers",)),
    # btf_relocate: a module may bring a distilled base (since 6.11).
    "btf-distilled-base": Evidence((), (b"is invalid for distilled base BTF",)),
    # kstrtobool takes t and f (6.1 does, 5.10 does not), e and d (7.2 does, 6.12 does not). Its code shows nothing of
    # that, so functions stand for it that kernels export since a release after the change (5.19, 6.16); where not even
    # one from before it is there (5.16, 6.13) it is not either. Between them nothing is known.
    "bool-true-false": Evidence(exports=("register_sys_off_handler",)),
    "bool-true-false-possible": Evidence(exports=("folio_unlock",)),
    "bool-enable-disable": Evidence(exports=("timer_init_key",)),
    "bool-enable-disable-possible": Evidence(exports=("hrtimer_setup",)),
    # The kernel unpacks modules itself (since 5.17, CONFIG_MODULE_DECOMPRESS).
    "decompress": Evidence(("module_decompress",), (b"decompression failed with status",)),
    # finit_module knows the flag for compressed files (since 5.17), whether or not it can do anything with it. The
    # sentence came with the same release, the symbol with 5.18.
    "compressed-flag": Evidence(("module_decompress", "add_kallsyms"), (b"Invalid ELF header magic",)),
    # Signatures of modules are looked at (CONFIG_MODULE_SIG).
    "module-signatures": Evidence(("mod_verify_sig",), (b"Loading of %s is rejected",)),
    # Algorithms the parser of signatures knows, by their DER in the register of object identifiers: ECDSA (since
    # 5.13), SHA-3 (since 6.7), ML-DSA (since 7.0), MD4 and MD5 (until 6.6). A module signed with another one counts
    # as unsigned. Symbols: of ECDSA itself, or of a loader that is younger.
    "signature-ecdsa": Evidence(("ecdsa_set_pub_key", "add_kallsyms"), (b"\x2a\x86\x48\xce\x3d\x04\x03\x02",)),
    "signature-sha3": Evidence((), (b"\x60\x86\x48\x01\x65\x03\x04\x02\x08",)),
    "signature-ml-dsa": Evidence((), (b"\x60\x86\x48\x01\x65\x03\x04\x03\x11",)),
    "signature-md5": Evidence((), (b"\x2a\x86\x48\x86\xf7\x0d\x02\x04",)),
    # Symbol versions are compared (CONFIG_MODVERSIONS).
    "symbol-versions": Evidence((), (b"disagrees about version of symbol",)),
    # A symbol the module has no version of is refused. Mainline warns once and lets it go; Debian's patch "module:
    # Disable matching missing version CRC" changes the answer and not the sentence, so that only the builder's name
    # shows it. Not shown is not the same as not so.
    "missing-versions-refused": Evidence((), (b"debian-kernel@lists.debian.org",)),
    # try_to_force_load goes on, and says so (CONFIG_MODULE_FORCE_LOAD).
    "force-load": Evidence((), (b"%s: %s: kernel tainted.",)),
    # Said as an error, and refused; a kernel with CONFIG_MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS says it as a warning.
    "namespaces-enforced": Evidence((), (b"\x013%s: module uses symbol (%s) from namespace",)),
    # A string that fills its array without an end is the death of this kernel (CONFIG_FORTIFY_SOURCE; in between it
    # was not, and later kernels do not come to measure a module's name so).
    "fortified-strlen": Evidence((), (b"\0__fortify_strlen\0",)),
    # module_enforce_rwx_sections (CONFIG_STRICT_MODULE_RWX).
    "strict-rwx": Evidence((), (b"has invalid WRITE|EXEC flags",)),
    # Constructors of modules are called (CONFIG_CONSTRUCTORS).
    "constructors": Evidence((), (b"has both .ctors and .init_array",)),
    # CONFIG_LIVEPATCH.
    "livepatch": Evidence(("klp_module_coming",), (b"tainting kernel with TAINT_LIVEPATCH",)),
    # `test=` in .modinfo taints (not yet in 5.10).
    "test-taint": Evidence((), (b"loading test module taints kernel",)),
    # A module without `retpoline=` is warned of (CONFIG_MITIGATION_RETPOLINE, x86).
    "retpoline-warning": Evidence((), (b"loading module not compiled with retpoline compiler",)),
    # Modules bring tables of code tags (CONFIG_MEM_ALLOC_PROFILING, since 6.10).
    "codetags": Evidence(("codetag_load_module",), (b"Failed to load code tags of type",)),
    # module_frob_arch_sections wants sections that kbuild makes room with (arm64; until 6.4 CONFIG_ARM64_MODULE_PLTS).
    "plt-sections-required": Evidence((), (b"module PLT section(s) missing",)),
    # module_init_ftrace_plt of arm64 wants a second section, for what runs at init only (since 6.17, and 6.12.y).
    "init-trampoline-required": Evidence((), (b".init.text.ftrace_trampoline",)),
    # Calls of the function tracer are patched in (CONFIG_DYNAMIC_FTRACE): `ftrace_init` says so at boot.
    "dynamic-ftrace": Evidence(("ftrace_module_init",), (b"ftrace: allocating %ld entries in %ld pages",)),
    # An error of add_sect_attrs is not ignored (since 6.12). No sentence came with that change; a function that is
    # exported since the same release stands for it.
    "section-files-required": Evidence(exports=("__kmem_cache_create_args",)),
}


# What the checks ask of nearly every module: searched for in one go.
USUALLY_ASKED = (
    *("btf-chains", "btf-distilled-base", "btf-layout", "btf-masked-info", "btf-mismatch-tolerated", "btf-tags-first"),
    *("empty-section-names-tested", "extended-versions", "idempotent-load", "module-btf", "section-names-all-tested"),
    *("symbol-sections-tested", "symbol-strings-tested", "symbol-versions"),
    *("codetags", "module-signatures"),  # where no configuration is found
)


def features_shown(
    has_symbol: Callable[[str], bool] | None,
    has_message: Callable[[bytes], bool] | None,
    has_export: Callable[[str], bool] | None,
) -> dict[str, bool]:
    """Return whether each feature shows, leaving out those that cannot be decided.

    Args:
        has_symbol: tells whether the kernel has a symbol; None when its symbols cannot be read.
        has_message: tells whether a text stands in the kernel's memory or image; None when neither can be read.
        has_export: tells whether the kernel exports a symbol; None when that cannot be known.
    """
    shown = {name: shows(evidence, has_symbol, has_message, has_export) for name, evidence in FEATURES.items()}
    return {name: one for name, one in shown.items() if one is not None}


def shows(
    evidence: Evidence,
    has_symbol: Callable[[str], bool] | None,
    has_message: Callable[[bytes], bool] | None,
    has_export: Callable[[str], bool] | None,
) -> bool | None:
    """Return whether one feature shows, as `features_shown` does; None when that cannot be decided."""
    if has_export and evidence.exports:
        return any(map(has_export, evidence.exports))
    if has_message and evidence.messages:
        return any(map(has_message, evidence.messages))
    if has_symbol and evidence.symbols:
        return any(map(has_symbol, evidence.symbols))
    return None
