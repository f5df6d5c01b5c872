"""Every check: what it finds, in the kernel's order, and what it keeps quiet about."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks import CHECKS, run_checks
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts, LoadedModule, unknown
from pyinsmod.kernel_facts.features import FEATURES
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import SIGNATURE_MARKER, ModuleImage
from pyinsmod.prediction import predict

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]
VERMAGIC = "6.1.0-50-cloud-amd64 SMP preempt mod_unload modversions "


def patched(data: bytes, offset: int, layout: str, value: int) -> bytes:
    copy = bytearray(data)
    struct.pack_into(layout, copy, offset, value)
    return bytes(copy)


def section_table(data: bytes) -> int:
    return int(struct.unpack_from("<Q", data, 40)[0])


def only(findings: tuple[Finding, ...]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


def test_the_table_stands_in_the_kernels_order() -> None:
    known = [
        "permission",
        "file",
        "compression",
        "signature",
        "elf",
        "blacklist",
        "modversions",
        "vermagic",
        "livepatch",
        "already-loaded",
        "already-loaded-late",
        "taints",
        "licence",
        "exports",
        "imported-namespaces",
        "symbols",
        "duplicate-exports",
        "livepatch-name",
        "btf",
        "parameters",
        "sysfs-name",
        "duplicate-sections",
        "codetags",
        "initcall-blacklist",
    ]
    assert [name for name in CHECKS if name in known] == known


# --- elf: one row, one fault


def header_fault(offset: int, layout: str, value: int) -> Callable[[bytes], bytes]:
    return lambda data: patched(data, offset, layout, value)


def section_fault(number: int, offset: int, layout: str, value: int) -> Callable[[bytes], bytes]:
    return lambda data: patched(data, section_table(data) + 64 * number + offset, layout, value)


SYMTAB, STRTAB, SHSTRTAB = 4, 5, 6


@pytest.mark.parametrize(
    ("fault", "words", "log"),
    [
        (lambda data: data[:63], "63 bytes are no module", "Invalid ELF header len 63"),
        (lambda data: b"\x7fELG" + data[4:], "not an ELF file", "Invalid ELF header magic: != \x7fELF"),
        (header_fault(16, "<H", 3), "ET_DYN", "Invalid ELF header type: 3 != 1"),
        (header_fault(18, "<H", 183), "built for aarch64", "Invalid architecture in ELF header: 183"),
        (header_fault(58, "<H", 40), "section headers of 40 bytes", "Invalid ELF section header size"),
        (header_fault(40, "<Q", 1 << 40), "section header table ends", "Invalid ELF section header overflow"),
        (lambda data: data[:-1], "cut short", "Invalid ELF section header overflow"),
        (header_fault(62, "<H", 0), "no table of section names", "Invalid ELF section name index"),
        (header_fault(62, "<H", 99), "no table of section names", "Invalid ELF section name index"),
        (section_fault(0, 4, "<I", 1), "section 0", "ELF Spec violation: section 0 type(1)"),
        (
            section_fault(1, 32, "<Q", 1 << 40),
            "section 1 ends",
            "Invalid ELF section in module (section 1 type 1)",
        ),
        (section_fault(1, 24, "<Q", 2**64 - 1), "section 1 ends", "Invalid ELF section in module (section 1"),
        (section_fault(SHSTRTAB, 32, "<Q", 0), "names is empty", "empty section name table"),
        (section_fault(SHSTRTAB, 32, "<Q", 5), "does not end with a NUL", "isn't null terminated"),
        (
            section_fault(1, 0, "<I", 5000),
            "name of section 1",
            "Invalid ELF section name in module (section 1",
        ),
        (section_fault(SYMTAB, 40, "<I", 77), "no string table", "Invalid ELF sh_link"),
        (section_fault(SYMTAB, 4, "<I", 1), "no symbol table", "hello: module has no symbols (stripped?)"),
        (section_fault(3, 8, "<Q", 0), "takes no memory", "hello: No module found in object"),
    ],
)
def test_an_elf_fault_is_refused_at_step_6(
    build_module: BuildModule, make_facts: MakeFacts, fault: Callable[[bytes], bytes], words: str, log: str
) -> None:
    findings = run_checks(ModuleImage(fault(build_module())), make_facts())
    prediction = predict(findings)
    assert words in findings[0].summary
    assert (prediction.outcome, prediction.errno, prediction.step) == ("refused", "ENOEXEC", 6)
    assert log in (prediction.log or "")
    assert findings[0].module_has != findings[0].kernel_has


def test_a_section_may_end_where_the_file_does(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module()
    where, size = section_table(data) + 64, 16
    moved = patched(patched(data, where + 24, "<Q", len(data)), where + 32, "<Q", size) + bytes(size)
    cut_short = "section 1 ends"
    assert not any(cut_short in finding.summary for finding in run_checks(ModuleImage(moved), make_facts()))
    assert cut_short in run_checks(ModuleImage(moved[:-1]), make_facts())[0].summary


@pytest.mark.parametrize(
    ("feature", "options", "cut_off"),
    [
        (True, {"MODULE_SIG": "y"}, True),
        (None, {"MODULE_SIG": "y"}, True),
        (True, {}, False),
        (False, {"MODULE_SIG": "y"}, False),
    ],
)
def test_a_signature_is_cut_off_by_kernels_that_look_for_one(
    build_module: BuildModule, make_facts: MakeFacts, feature: bool | None, options: dict[str, str], cut_off: bool
) -> None:
    """To all others it is a part of the file, in which a section may end."""
    signed = build_module() + SIGNATURE_MARKER
    where = section_table(signed) + 64
    data = patched(patched(signed, where + 24, "<Q", len(signed) - 8), where + 32, "<Q", 8)
    known = {**dict.fromkeys(FEATURES, False), "module-signatures": feature}
    facts = make_facts(features=Fact(known, "test"), config=Fact(options, "test"))
    found = CHECKS["elf"](ModuleImage(data), facts, LoadRequest())
    assert any("section 1 ends" in each.summary for each in found) == cut_off


def test_an_empty_file_is_einval_before_any_parsing(make_facts: MakeFacts) -> None:
    finding = only(run_checks(ModuleImage(b""), make_facts()))
    assert (finding.check, finding.errno) == ("file", "EINVAL")


def test_identification_bytes_are_looked_at_by_no_kernel(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = bytearray(build_module())
    data[4:7] = b"\x01\x02\x00"
    assert not run_checks(ModuleImage(bytes(data)), make_facts())


@pytest.mark.parametrize(
    ("features", "outcome"),
    [({}, "crashes-kernel"), ({"idempotent-load": True}, "refused")],
)
def test_two_symbol_tables_are_refused_or_may_crash_a_loader_nobody_knows(
    build_module: BuildModule, make_facts: MakeFacts, features: dict[str, bool], outcome: str
) -> None:
    data = build_module(extra=[(".symtab2", 2, 0, b"")])
    findings = run_checks(ModuleImage(data), make_facts(features=Fact(features, "test")))
    assert predict(findings).outcome == outcome


@pytest.mark.parametrize(
    ("features", "outcome"),
    [
        (Fact({"idempotent-load": False}, "test"), "reaches-init"),
        (Fact({"idempotent-load": True}, "test"), "refused"),
        (unknown("test"), "cannot-tell"),
    ],
)
def test_two_modinfo_sections_matter_to_loaders_that_count(
    build_module: BuildModule, make_facts: MakeFacts, features: Fact[dict[str, bool]], outcome: str
) -> None:
    data = build_module(extra=[(".modinfo", 1, 2, b"name=hello\0")])
    assert predict(run_checks(ModuleImage(data), make_facts(features=features))).outcome == outcome


# --- vermagic


@pytest.mark.parametrize(
    ("module", "kernel", "versions", "phrase"),
    [
        (VERMAGIC.replace("preempt ", ""), VERMAGIC, True, "it lacks 'preempt'"),
        (VERMAGIC.replace("SMP ", "SMP preempt_rt "), VERMAGIC, True, "it has 'preempt_rt'"),
        (VERMAGIC.rstrip(), VERMAGIC, True, "spaces only"),
        ("6.1.0-49 " + VERMAGIC.partition(" ")[2], VERMAGIC, False, "built for release '6.1.0-49'"),
        ("7.2.1 SMP mod_unload ", "7.2.3 SMP mod_unload ", True, "built for release '7.2.1'"),
        ("", VERMAGIC, True, "it lacks 'SMP'"),
    ],
)
def test_a_vermagic_that_differs_is_enoexec_at_step_7_and_the_words_are_named(
    build_module: BuildModule, make_facts: MakeFacts, module: str, kernel: str, versions: bool, phrase: str
) -> None:
    data = build_module(vermagic=module, version_flags=2 if versions else 0)
    findings = run_checks(ModuleImage(data), make_facts(vermagic=Fact(kernel, "test")))
    finding = only(tuple(finding for finding in findings if finding.check != "modversions"))
    assert phrase in finding.summary
    assert (finding.check, finding.step, finding.errno) == ("vermagic", 7, "ENOEXEC")
    assert (finding.module_has, finding.kernel_has) == (module, kernel)
    assert finding.log == f"hello: version magic '{module}' should be '{kernel}'"


def test_with_symbol_versions_the_release_is_skipped(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module(vermagic="5.0 " + VERMAGIC.partition(" ")[2])
    assert not run_checks(ModuleImage(data), make_facts())


def test_versions_that_are_to_be_ignored_make_the_release_count(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    data = build_module(vermagic="5.0 " + VERMAGIC.partition(" ")[2])
    findings = run_checks(ModuleImage(data), make_facts(), LoadRequest(force_modversion=True))
    assert [finding.check for finding in findings] == ["modversions", "vermagic"]


@pytest.mark.parametrize(
    ("config", "severity"),
    [
        (Fact({"MODULE_FORCE_LOAD": "y"}, "test"), "taints"),
        (Fact(dict[str, str](), "test"), "refuses"),
        (unknown("test"), "cannot-tell"),
    ],
)
def test_no_vermagic_depends_on_the_kernels_configuration(
    build_module: BuildModule, make_facts: MakeFacts, config: Fact[dict[str, str]], severity: str
) -> None:
    missing = only(run_checks(ModuleImage(build_module(vermagic=None)), make_facts(config=config)))
    forced = only(run_checks(ModuleImage(build_module()), make_facts(config=config), LoadRequest(force_vermagic=True)))
    assert missing.severity == forced.severity == severity


def test_an_unknown_vermagic_is_not_guessed(build_module: BuildModule, make_facts: MakeFacts) -> None:
    finding = only(run_checks(ModuleImage(build_module()), make_facts(vermagic=unknown("no reason"))))
    assert (finding.severity, "no reason" in finding.summary) == ("cannot-tell", True)


# --- names


@pytest.mark.parametrize(("state", "errno"), [("Live", "EEXIST"), ("Loading", None), ("Unloading", "EBUSY")])
def test_a_taken_name_is_the_one_in_struct_module(
    build_module: BuildModule, make_facts: MakeFacts, state: str, errno: str | None
) -> None:
    data = build_module(name="dummy").replace(b"name=dummy\0", b"name=other\0")
    facts = make_facts(loaded=Fact({"dummy": LoadedModule(state, 0, ())}, "test"))
    assert only(run_checks(ModuleImage(data), facts)).errno == errno


def test_a_built_in_name_is_einval(build_module: BuildModule, make_facts: MakeFacts) -> None:
    finding = only(run_checks(ModuleImage(build_module(name="printk")), make_facts()))
    assert (finding.check, finding.errno, finding.step) == ("sysfs-name", "EINVAL", 11)


# --- symbols


def test_every_missing_symbol_is_named_and_weak_ones_may_be_missing(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    data = build_module(undefined=["no_b", "_printk", "_GLOBAL_OFFSET_TABLE_", "no_a"], weak=["no_c"])
    findings = run_checks(ModuleImage(data), make_facts())
    assert [finding.module_has for finding in findings] == ["uses 'no_b'", "uses 'no_a'"]
    prediction = predict(findings)
    assert (prediction.errno, prediction.step) == ("ENOENT", 9)
    assert prediction.log == "hello: Unknown symbol no_a (err -2)"


def test_the_module_that_has_the_symbol_is_named_with_the_command(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    finding = only(run_checks(ModuleImage(build_module(undefined=["bond_create"])), make_facts()))
    assert "modprobe bonding" in (finding.remedy or "")


def test_unknown_exports_are_not_guessed(build_module: BuildModule, make_facts: MakeFacts) -> None:
    facts = make_facts(exports=unknown("hidden"), vermagic=Fact(VERMAGIC.replace("modversions ", ""), "test"))
    finding = only(run_checks(ModuleImage(build_module(vermagic=facts.vermagic.value, undefined=["_printk"])), facts))
    assert finding.severity == "cannot-tell"
    assert not run_checks(ModuleImage(build_module(vermagic=facts.vermagic.value)), facts)


# --- permission


def test_a_missing_capability_and_disabled_loading_are_eperm_before_all_else(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    request = LoadRequest(caller_may_load=Fact(False, "no capability"))
    findings = run_checks(
        ModuleImage(build_module(vermagic="x ")), make_facts(modules_disabled=Fact(True, "test")), request
    )
    assert [finding.check for finding in findings] == ["permission", "permission", "vermagic"]
    assert predict(findings).errno == "EPERM"


def test_a_good_module_has_no_findings(build_module: BuildModule, make_facts: MakeFacts) -> None:
    assert not run_checks(ModuleImage(build_module(undefined=["_printk"])), make_facts())


@pytest.mark.parametrize(
    ("unpacks", "given", "errno"),
    [("", True, "EINVAL"), ("gzip", True, "EINVAL"), ("xz", True, None), ("", False, None)],
)
def test_a_compressed_file_needs_a_kernel_that_unpacks_it(
    build_module: BuildModule, make_facts: MakeFacts, unpacks: str, given: bool, errno: str | None
) -> None:
    image = ModuleImage(build_module(), "xz")
    findings = run_checks(image, make_facts(compression=Fact(unpacks, "test")), LoadRequest(compressed=given))
    prediction = predict(findings)
    assert (prediction.outcome == "refused") is bool(errno)
    assert prediction.errno == errno
