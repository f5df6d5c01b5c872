"""What the loader tests by the module's own word: its names, taints, exports and sections.

Expected answers are those Debian's 5.10, 6.1, 6.12 and 7.2 gave to the same faults in real modules.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from pyinsmod.checks import run_checks
from pyinsmod.checks.already_loaded import check_already_loaded, check_already_loaded_late
from pyinsmod.checks.codetags import check_codetags
from pyinsmod.checks.duplicate_sections import check_duplicate_sections
from pyinsmod.checks.exports import check_duplicate_exports, check_export_tables
from pyinsmod.checks.initcall_blacklist import init_function
from pyinsmod.checks.livepatch import check_livepatch, check_livepatch_name
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelExport, KernelFacts, LoadedModule, unknown
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import predict
from tracer.experiments.kernel_modules import module_files, read_module

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]
Check = Callable[[ModuleImage, KernelFacts, LoadRequest], Iterable[Finding]]

ALLOC = 2
TABLE = ("__ksymtab", 1, ALLOC, b"\0" * 12)
CRCS = ("__kcrctab", 1, ALLOC, b"\0" * 4)
FLAGS = ("__kflagstab", 1, ALLOC, b"\0")


def said(check: Check, data: bytes, facts: KernelFacts) -> list[Finding]:
    return list(check(ModuleImage(data), facts, LoadRequest()))


# --- names


@pytest.mark.parametrize(
    ("modinfo", "struct", "refused"),
    [(b"blocked", b"blocked", True), (b"blocked", b"mymod", True), (b"mymodxx", b"blocked", False)],
)
def test_the_blacklist_goes_by_the_name_in_modinfo(
    build_module: BuildModule, make_facts: MakeFacts, modinfo: bytes, struct: bytes, refused: bool
) -> None:
    data = build_module(name="blocked", vermagic="x ").replace(b"name=blocked\0", b"name=" + modinfo + b"\0")
    data = data.replace(b"\0" * 8 + b"blocked", b"\0" * 8 + struct.ljust(7, b"\0"))
    findings = run_checks(ModuleImage(data), make_facts(blacklist=Fact(frozenset({"foo", "blocked"}), "test")))
    assert predict(findings).errno == ("EPERM" if refused else "ENOEXEC")
    assert (findings[0].log == "Module blocked is blacklisted") is refused


def test_without_a_name_in_modinfo_the_other_one_counts(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module(name="blocked").replace(b"name=blocked\0", b"eman=blocked\0")
    facts = make_facts(blacklist=Fact(frozenset({"blocked"}), "test"))
    assert predict(run_checks(ModuleImage(data), facts)).errno == "EPERM"


def test_no_name_at_all_is_einval(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module(name="hello").replace(b"\0hello\0", b"\0\0\0\0\0\0\0", 1)
    prediction = predict(run_checks(ModuleImage(data), make_facts()))
    assert (prediction.errno, prediction.step) == ("EINVAL", 11)


@pytest.mark.parametrize(
    ("features", "early", "late"),
    [
        ({"idempotent-load": True}, ["refuses"], []),
        ({"idempotent-load": False}, [], ["refuses"]),
        ({}, ["cannot-tell"], ["refuses"]),
    ],
)
def test_older_loaders_ask_for_the_name_after_the_layout(
    build_module: BuildModule, make_facts: MakeFacts, features: dict[str, bool], early: list[str], late: list[str]
) -> None:
    data, facts = build_module(name="dummy"), make_facts(features=Fact(features, "test"))
    assert [finding.severity for finding in said(check_already_loaded, data, facts)] == early
    assert [finding.severity for finding in said(check_already_loaded_late, data, facts)] == late
    assert predict(run_checks(ModuleImage(data), facts)).errno == "EEXIST"


def test_a_module_called_vmlinux_is_einval_where_there_is_live_patching(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    data = build_module(name="vmlinux")
    (finding,) = said(check_livepatch_name, data, make_facts(config=Fact({"LIVEPATCH": "y"}, "test")))
    assert (finding.errno, finding.log) == ("EINVAL", "livepatch: vmlinux.ko: invalid module name")
    assert not said(check_livepatch_name, data, make_facts(config=Fact(dict[str, str](), "test")))


def test_the_init_function_goes_by_its_own_name(kernel_tree: Path) -> None:
    """6.1 wrote "initcall init_nls_utf8 blacklisted" of this module."""
    image = ModuleImage(read_module(module_files(kernel_tree)["nls_utf8"]))
    assert init_function(image) == "init_nls_utf8"


@pytest.mark.parametrize(("function", "refused"), [("init_nls_utf8", True), ("init_module", False)])
def test_a_forbidden_init_function_is_eperm_at_step_12(
    kernel_tree: Path, make_facts: MakeFacts, function: str, refused: bool
) -> None:
    image = ModuleImage(read_module(module_files(kernel_tree)["nls_utf8"]))
    facts = make_facts(initcall_blacklist=Fact(frozenset({"other", function}), "test"))
    found = [finding for finding in run_checks(image, facts) if finding.check == "initcall-blacklist"]
    assert [(finding.errno, finding.step) for finding in found] == ([("EPERM", 12)] if refused else [])


# --- live patches and taints


@pytest.mark.parametrize(
    ("known", "severity", "errno"),
    [
        ({"config": Fact({"LIVEPATCH": "y"}, "test")}, "taints", None),
        ({"config": Fact(dict[str, str](), "test")}, "refuses", "ENOEXEC"),
        ({"features": Fact({"livepatch": True}, "test")}, "taints", None),
        ({"features": Fact({"livepatch": False}, "test")}, "refuses", "ENOEXEC"),
        ({"features": unknown("test")}, "cannot-tell", "ENOEXEC"),
    ],
)
def test_a_live_patch_needs_a_kernel_that_patches(
    build_module: BuildModule, make_facts: MakeFacts, known: dict[str, object], severity: str, errno: str | None
) -> None:
    """The configuration tells, or what the kernel can say of them: seen on 7.2, whose package has no configuration."""
    (finding,) = said(check_livepatch, build_module(said=["livepatch=Y"]), make_facts(**known))
    assert (finding.severity, finding.errno) == (severity, errno)


@pytest.mark.parametrize(
    ("change", "log"),
    [
        ({"said": []}, "hello: loading out-of-tree module taints kernel."),
        ({"said": ["intree=Y", "staging=Y"]}, "hello: module is from the staging directory, the quality is unknown,"),
        ({"said": ["intree=Y", "test=Y"]}, "hello: loading test module taints kernel."),
        ({"licence": "GPLv2"}, "hello: module license 'GPLv2' taints kernel."),
        ({"licence": None}, "hello: module license 'unspecified' taints kernel."),
        ({"name": "lve"}, "lve: module license taints kernel."),
    ],
)
def test_what_only_taints_is_said_and_refuses_nothing(
    build_module: BuildModule, make_facts: MakeFacts, change: dict[str, object], log: str
) -> None:
    facts = make_facts(features=Fact({"test-taint": True}, "test"))
    (finding,) = run_checks(ModuleImage(build_module(**change)), facts)
    assert finding.severity == "taints"
    assert (finding.log or "").startswith(log)
    assert predict([finding]).outcome == "reaches-init"


def test_some_kernels_know_no_tests_and_no_retpolines(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module(said=["intree=Y", "test=Y"])
    assert not run_checks(ModuleImage(data), make_facts())
    (finding,) = run_checks(ModuleImage(build_module()), make_facts(features=Fact({"retpoline-warning": True}, "test")))
    assert (finding.severity, "retpoline" in finding.summary) == ("warns", True)


# --- exports


@pytest.mark.parametrize(
    ("sections", "features", "vermagic", "severities"),
    [
        ([TABLE, CRCS], {"export-flags": False}, "modversions ", []),
        ([TABLE], {"export-flags": False}, "modversions ", ["taints"]),
        ([TABLE], {"export-flags": False}, "", []),
        ([TABLE, CRCS], {"export-flags": True}, "modversions ", ["refuses"]),
        ([TABLE, FLAGS], {"export-flags": True}, "", []),
        ([TABLE, ("__kflagstab", 1, 0, b"\0")], {"export-flags": True}, "", ["refuses"]),
        ([TABLE, CRCS], {}, "modversions ", ["cannot-tell"]),
        ([("__ksymtab", 1, ALLOC, b"")], {"export-flags": True}, "modversions ", []),
        ([("__ksymtab_gpl", 1, ALLOC, b"\0" * 12)], {"export-flags": False}, "modversions ", ["taints"]),
        ([("__ksymtab_gpl", 1, ALLOC, b"\0" * 12)], {"export-flags": True}, "modversions ", []),
    ],
)
def test_a_table_of_exports_needs_its_companions(
    build_module: BuildModule,
    make_facts: MakeFacts,
    sections: list[tuple[str, int, int, bytes]],
    features: dict[str, bool],
    vermagic: str,
    severities: list[str],
) -> None:
    facts = make_facts(
        features=Fact(features, "test"),
        vermagic=Fact(f"6.1 SMP {vermagic}", "test"),
        config=Fact({"MODULE_FORCE_LOAD": "y"}, "test"),
    )
    found = said(check_export_tables, build_module(extra=sections), facts)
    assert [finding.severity for finding in found] == severities


@pytest.mark.parametrize(
    ("owner", "log"),
    [
        ("vmlinux", "llc: exports duplicate symbol llc_add_pack (owned by kernel)"),
        ("llc2", "llc: exports duplicate symbol llc_add_pack (owned by llc2)"),
    ],
)
def test_nobody_may_export_the_same_symbol(kernel_tree: Path, make_facts: MakeFacts, owner: str, log: str) -> None:
    """6.1 names llc_add_pack, the first of the table, when a copy of llc with another name is loaded."""
    image = ModuleImage(read_module(module_files(kernel_tree)["llc"]))
    exports = {export.name: KernelExport(owner, 1, gpl=False, namespace="") for export in image.exports}
    found = list(check_duplicate_exports(image, make_facts(exports=Fact(exports, "test")), LoadRequest()))
    assert len(found) == len(image.exports)
    assert (found[0].errno, found[0].log) == ("ENOEXEC", log)


def test_a_module_called_vmlinux_is_not_the_kernel(kernel_tree: Path, make_facts: MakeFacts) -> None:
    """Seen on all four kernels: what it exports of theirs is a duplicate, its own name or not."""
    content = read_module(module_files(kernel_tree)["llc"])
    image = ModuleImage(content.replace(b"llc".ljust(56, b"\0"), b"vmlinux".ljust(56, b"\0")))
    assert image.struct_name == "vmlinux"
    exports = {export.name: KernelExport("vmlinux", 1, gpl=False, namespace="") for export in image.exports}
    assert list(check_duplicate_exports(image, make_facts(exports=Fact(exports, "test")), LoadRequest()))


def test_what_nobody_exports_is_free(kernel_tree: Path, make_facts: MakeFacts) -> None:
    image = ModuleImage(read_module(module_files(kernel_tree)["llc"]))
    assert not list(check_duplicate_exports(image, make_facts(), LoadRequest()))


# --- sections


@pytest.mark.parametrize(
    ("second", "same"),
    [
        ((".mydata", 1, ALLOC, b"x"), True),
        ((".mydata", 1, ALLOC, b""), False),
        ((".mydata", 1, 0, b"x"), False),
        ((".other", 1, ALLOC, b"x"), False),
    ],
)
@pytest.mark.parametrize(
    ("features", "severity"),
    [
        ({"idempotent-load": False, "section-files-required": False}, "warns"),
        ({"idempotent-load": True, "section-files-required": False}, "cannot-tell"),
        ({"idempotent-load": True, "section-files-required": True}, "refuses"),
    ],
)
def test_two_sections_of_one_name_cannot_both_have_a_file(
    build_module: BuildModule,
    make_facts: MakeFacts,
    second: tuple[str, int, int, bytes],
    same: bool,
    features: dict[str, bool],
    severity: str,
) -> None:
    """5.10 and 6.1 loaded it with a call trace; 6.12.107, which shows no sign of it, and 7.2 answered EEXIST."""
    data = build_module(extra=[(".mydata", 1, ALLOC, b"x"), second])
    found = said(check_duplicate_sections, data, make_facts(features=Fact(features, "test")))
    assert [finding.severity for finding in found] == ([severity] if same else [])


def test_a_second_table_of_versions_is_no_duplicate(build_module: BuildModule, make_facts: MakeFacts) -> None:
    """The first one is not kept: all four kernels load it."""
    data = build_module(extra=[("__versions", 1, ALLOC, b"\0" * 64)])
    assert not said(check_duplicate_sections, data, make_facts(features=Fact({"section-files-required": True}, "test")))


@pytest.mark.parametrize(
    ("config", "feature", "doubtful"),
    [
        (Fact({"MEM_ALLOC_PROFILING": "y"}, "test"), False, True),
        (Fact({"MODULES": "y"}, "test"), True, False),
        (unknown("test"), True, True),
        (unknown("test"), False, False),
    ],
)
def test_a_profiling_kernel_may_want_a_table(
    build_module: BuildModule, make_facts: MakeFacts, config: Fact[dict[str, str]], feature: bool, doubtful: bool
) -> None:
    facts = make_facts(config=config, features=Fact({"codetags": feature}, "test"))
    found = said(check_codetags, build_module(), facts)
    assert [finding.severity for finding in found] == (["cannot-tell"] if doubtful else [])


def test_a_loaded_module_that_is_going_is_ebusy(build_module: BuildModule, make_facts: MakeFacts) -> None:
    facts = make_facts(loaded=Fact({"hello": LoadedModule("Unloading", 0, ())}, "test"))
    assert predict(run_checks(ModuleImage(build_module()), facts)).errno == "EBUSY"


def test_half_an_export_is_none(build_module: BuildModule, make_facts: MakeFacts) -> None:
    half = ("__ksymtab", 1, ALLOC, struct.pack("<Q", 0))
    facts = make_facts(features=Fact({"export-flags": True}, "test"))
    assert not said(check_export_tables, build_module(extra=[half]), facts)
