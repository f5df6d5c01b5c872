"""Kernel functions worth following during a load, by the documented step they belong to. Data only.

Which of them exist as functions differs from build to build (the compiler inlines static ones), so
the list is a wish: what `available_filter_functions` has of it is traced. Names of 5.10 to 7.2 side by side.
"""

from __future__ import annotations

#: The kernel asks once for each uevent and each network namespace whether anybody listens, and then sends it. What
#: calls that, like all of lib/, is built without the function tracer's hooks.
SENDS_UEVENTS = "netlink_has_listeners"
#: In it a module's own init function runs, which may ask for reasons of its own.
RUNS_INIT = "do_one_initcall"

#: Called many times a load; followed only where the function they serve was inlined and cannot be: function → that one.
STAND_INS = {"find_symbol": "resolve_symbol", "find_exported_symbol_in_section": "resolve_symbol"}

# Names may be shell patterns; `*` covers the architecture's prefix of system call entries.
FUNCTIONS = {
    4: ("__*_sys_finit_module", "__*_sys_init_module", "__*_sys_delete_module"),
    5: (
        "kernel_read_file",
        "security_kernel_read_file",
        "security_kernel_load_data",
        "init_module_from_file",
        "idempotent_init_module",
        "module_decompress",
        "load_module",
        "module_sig_check",
        "mod_verify_sig",
    ),
    6: ("elf_validity_check", "elf_validity_cache_copy", "elf_validity_cache_strtab", "elf_validity_cache_sechdrs"),
    7: ("check_modstruct_version", "check_version", "same_magic", "try_to_force_load"),
    8: (
        "module_frob_arch_sections",
        "module_enforce_rwx_sections",
        "layout_symtab",
        "__layout_sections",
        "module_alloc",
        "execmem_alloc",
        "execmem_alloc_rw",
        "percpu_modalloc",
    ),
    9: ("resolve_symbol", "find_symbol", "find_exported_symbol_in_section"),
    10: ("apply_relocate", "apply_relocate_add", "add_kallsyms", "module_finalize", "flush_icache_range"),
    11: (
        "mod_tree_insert",
        "complete_formation",
        "module_enable_ro",
        "module_enable_nx",
        "module_enable_x",
        "module_enable_rodata_ro",
        "module_enable_text_rox",
        "klp_module_coming",
        "parse_args",
        "mod_sysfs_setup",
    ),
    12: ("do_init_module", "do_one_initcall"),
    13: ("free_module", "mod_sysfs_teardown", "module_deallocate", "do_free_init"),
}
