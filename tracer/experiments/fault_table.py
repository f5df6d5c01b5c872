"""The table of faults by name. A new fault is one row here, one short function, one test."""

from __future__ import annotations

from tracer.experiments import (
    field_faults,
    image_faults,
    module_faults,
    section_faults,
    signature_faults,
    symbol_faults,
)
from tracer.experiments.fault import Fault

FAULTS: dict[str, Fault] = {
    "name": Fault("goes by the name NAME", "NAME", module_faults.set_name),
    "license": Fault("claims the licence TEXT", "TEXT", module_faults.license_),
    "vermagic-release": Fault("was built for another kernel release", "[RELEASE]", module_faults.vermagic_release),
    "vermagic-without": Fault("lacks WORD in its version magic", "WORD", module_faults.vermagic_without),
    "vermagic-with": Fault("has WORD too much in its version magic", "WORD", module_faults.vermagic_with),
    "no-vermagic": Fault("has no version magic", "", module_faults.no_vermagic),
    "crc": Fault("was built against another version of SYMBOL", "SYMBOL", module_faults.crc),
    "undefined-symbol": Fault("imports a symbol that no kernel exports", "[SYMBOL]", module_faults.undefined_symbol),
    "weak-undefined-symbol": Fault(
        "imports weakly a symbol that no kernel exports", "[SYMBOL]", module_faults.weak_undefined_symbol
    ),
    "relocation-type": Fault("has a relocation of type NUMBER", "NUMBER", module_faults.relocation_type),
    "relocation-nonzero": Fault("has a relocation whose place is not empty", "", module_faults.relocation_nonzero),
    "not-elf": Fault("does not begin with the ELF magic", in_image=image_faults.not_elf),
    "wrong-type": Fault("is an executable program by its ELF type", in_image=image_faults.wrong_type),
    "wrong-machine": Fault("is for another architecture", in_image=image_faults.wrong_machine),
    "section-table-outside": Fault(
        "has its section header table beyond its end", in_image=image_faults.section_table_outside
    ),
    "section-outside": Fault(
        "has the contents of SECTION beyond its end", "SECTION", in_image=image_faults.section_outside
    ),
    "section-name-outside": Fault(
        "has the name of SECTION beyond the name table", "SECTION", in_image=image_faults.section_name_outside
    ),
    "no-symtab": Fault("has no symbol table", in_image=image_faults.no_symtab),
    "no-modinfo": Fault("has no .modinfo section", in_image=image_faults.no_modinfo),
    "no-this-module": Fault("has no struct module", in_image=image_faults.no_this_module),
    "truncated": Fault("is cut off (after BYTES)", "[BYTES]", in_image=image_faults.truncated),
    # --- the file's header, and single fields
    "header-field": Fault(
        "has a field of its ELF header set to a value", "FIELD=VALUE", in_image=field_faults.header_field
    ),
    "ident": Fault(
        "has an ELF identification byte set to a value", "PLACE=VALUE", in_image=field_faults.identification
    ),
    "section-field": Fault(
        "has a field of a section header set to a value", "SECTION.FIELD=VALUE", in_image=field_faults.section_field
    ),
    "relocation-field": Fault(
        "has a field of a table's first relocation set to a value",
        "SECTION.FIELD=VALUE",
        in_image=field_faults.relocation_field,
    ),
    "symbol-field": Fault("has a field of a symbol set to a value", "SYMBOL.FIELD=VALUE", symbol_faults.symbol_field),
    "appended": Fault("has bytes behind its end", "HEX", in_image=field_faults.appended),
    "signature": Fault("has something appended that is no good signature", "KIND", in_image=signature_faults.signature),
    # --- sections
    "section-renamed": Fault("has a section by another name", "OLD=NEW", section_faults.renamed),
    "section-doubled": Fault("has a section twice", "SECTION", section_faults.doubled),
    "section-emptied": Fault("has nothing in a section", "SECTION", section_faults.emptied),
    "section-grown": Fault("has a section of another size", "SECTION=BYTES", section_faults.grown),
    "section-byte": Fault("has a byte of a section changed", "SECTION[PLACE]=VALUE", section_faults.set_byte),
    "extra-section": Fault("has a section more", "SECTION", section_faults.extra),
    "two-sections": Fault("has two sections more, by one name", "SECTION", section_faults.two_of_a_name),
    "sections": Fault("has so many empty sections more", "NUMBER", section_faults.many),
    "writable-code": Fault("has a section that can be written and run", "[SECTION]", section_faults.writable_code),
    "both-constructors": Fault("has both .ctors and .init_array", "", section_faults.both_constructors),
    "per-cpu": Fault("wants so many bytes of per-CPU memory", "BYTES", section_faults.per_cpu),
    "large": Fault("wants so many bytes of zeroed memory", "BYTES", section_faults.large),
    "second-symtab": Fault("has two symbol tables", "", section_faults.second_symtab),
    "rel-section": Fault("has relocations without addends (for SECTION)", "[SECTION]", section_faults.rel_section),
    "name-table-kind": Fault("has a section name table that is none by its type", "", section_faults.name_table_kind),
    "name-table-unterminated": Fault(
        "has a section name table that does not end with NUL", "", section_faults.name_table_last
    ),
    "symbol-strings": Fault("has a damaged table of symbol names", "KIND", section_faults.own_strings),
    "symbol-name-outside": Fault("has a symbol's name beyond the table of names", "", section_faults.strings_outside),
    "btf": Fault("has damaged type information", "KIND", section_faults.type_info),
    # --- what it says of itself
    "modinfo": Fault("says KEY=VALUE of itself", "KEY=VALUE", module_faults.modinfo_value),
    "modinfo-also": Fault("says KEY=VALUE of itself, too", "KEY=VALUE", module_faults.modinfo_also),
    "modinfo-without": Fault("does not say KEY of itself", "KEY", module_faults.modinfo_without),
    "vermagic-trimmed": Fault("lacks the space at the end of its version magic", "", module_faults.vermagic_trimmed),
    "vermagic-spaced": Fault("has a space too much in its version magic", "", module_faults.vermagic_spaced),
    "name-inside": Fault("has another name in struct module", "[NAME]", module_faults.name_inside),
    "name-outside": Fault("has another name in .modinfo", "[NAME]", module_faults.name_outside),
    "name-unterminated": Fault("has a name without an end in struct module", "", module_faults.name_unterminated),
    "no-init": Fault("has no init function", "", module_faults.no_init),
    "no-exit": Fault("has no exit function", "", module_faults.no_exit),
    # --- symbols, versions, exports, relocations
    "import": Fault("imports SYMBOL", "SYMBOL[=CRC]", symbol_faults.import_),
    "weak-import": Fault("imports SYMBOL weakly", "SYMBOL[=CRC]", symbol_faults.weak_import),
    "common-symbol": Fault("has a common symbol", "[SYMBOL]", symbol_faults.common),
    "symbol-in-section": Fault(
        "has a symbol in the section of that number", "NUMBER", symbol_faults.unused_symbol_in_section
    ),
    "local-import": Fault("imports a symbol by a local entry", "", symbol_faults.local_import),
    "nameless-import": Fault("imports a symbol without a name", "", symbol_faults.nameless_import),
    "no-versions": Fault("carries no symbol versions", "", symbol_faults.no_versions),
    "stripped-versions": Fault(
        "carries symbol versions that do not belong into memory", "", symbol_faults.stripped_versions
    ),
    "no-crc": Fault("carries no version of SYMBOL", "SYMBOL", symbol_faults.no_crc),
    "crc-twice": Fault("carries a wrong version of SYMBOL before the right one", "SYMBOL", symbol_faults.crc_twice),
    "crcs-reversed": Fault("carries its symbol versions in another order", "", symbol_faults.all_crcs_first),
    "export-as": Fault("exports SYMBOL in place of its first export", "[SYMBOL]", symbol_faults.export_as),
    "export-namespace": Fault("has its first export in NAMESPACE", "NAMESPACE", symbol_faults.export_namespace),
    "export-twice": Fault("exports a symbol twice", "", symbol_faults.export_twice),
    "exports-without": Fault("lacks the crcs or the flags of its exports", "KIND", symbol_faults.exports_without),
    "obsolete-exports": Fault("has an empty table of GPL-only exports", "", symbol_faults.obsolete_exports),
    "relocation-overflow": Fault("has a relocation that no address fits", "", module_faults.relocation_overflow),
    "relocation-of-symbol": Fault(
        "has a relocation that names the symbol NUMBER", "NUMBER", module_faults.relocation_of_symbol
    ),
}
