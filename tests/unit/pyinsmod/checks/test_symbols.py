"""Symbols, one after another as `simplify_symbols` takes them. Expected answers are those real kernels gave.

5.10, 6.1, 6.12 and 7.2 of Debian were asked with the same faults in real modules; where one differs, it is said.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks import run_checks
from pyinsmod.checks.symbols import check_symbols
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelExport, KernelFacts, LoadedModule, unknown
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from pyinsmod.prediction import predict

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

COMMON, LIVEPATCH, ABSOLUTE, NOWHERE = 0xFFF2, 0xFF20, 0xFFF1, 0xFF00
ENFORCED = Fact({"MODULE_FORCE_LOAD": "y"}, "test")

EXPORTS = {
    "module_layout": KernelExport("vmlinux", 1, gpl=False, namespace=""),
    "plain": KernelExport("vmlinux", 1, gpl=False, namespace=""),
    "changed": KernelExport("vmlinux", 2, gpl=False, namespace=""),
    "gpl_only": KernelExport("vmlinux", 1, gpl=True, namespace=""),
    "changed_gpl_only": KernelExport("vmlinux", 2, gpl=True, namespace=""),
    "spaced": KernelExport("vmlinux", 1, gpl=True, namespace="DMA_BUF"),
    "changed_spaced": KernelExport("vmlinux", 2, gpl=True, namespace="DMA_BUF"),
    "for_kvm": KernelExport("vmlinux", 1, gpl=True, namespace="module:kvm,kvm-amd,virt*"),
    "of_blob": KernelExport("blob", 1, gpl=False, namespace=""),
    "of_going": KernelExport("going", 1, gpl=False, namespace=""),
    "of_coming": KernelExport("coming", 1, gpl=False, namespace=""),
}
LOADED = {
    "blob": LoadedModule("Live", 0, (), "POE"),
    "going": LoadedModule("Unloading", 0, ()),
    "coming": LoadedModule("Loading", 1, ()),
}


def facts_of(make_facts: MakeFacts, features: dict[str, bool] | None = None, **changes: object) -> KernelFacts:
    known: dict[str, object] = {
        "exports": Fact(EXPORTS, "test"),
        "loaded": Fact(LOADED, "test"),
        "config": ENFORCED,
        "features": Fact(features or {"symbol-sections-tested": True}, "test"),
    }
    return make_facts(**{**known, **changes})


def with_sections(data: bytes, sections: dict[int, int]) -> bytes:
    """Return the module with st_shndx of some symbols changed: number → section."""
    copy = bytearray(data)
    table = struct.unpack_from("<Q", copy, 40)[0]
    headers = [struct.unpack_from("<IIQQQQIIQQ", copy, table + 64 * number) for number in range(6)]
    symbols = next(header[4] for header in headers if header[1] == 2)
    for number, section in sections.items():
        struct.pack_into("<H", copy, symbols + 24 * number + 6, section)
    return bytes(copy)


def judged(data: bytes, facts: KernelFacts, request: LoadRequest | None = None) -> list[Finding]:
    return list(check_symbols(ModuleImage(data), facts, request or LoadRequest()))


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    return findings[0]


@pytest.mark.parametrize(
    ("symbols", "errno"),
    [
        (["no_such", "changed"], "EINVAL"),
        (["changed", "no_such"], "ENOENT"),
        (["changed", "plain", "gpl_only"], "EINVAL"),
        (["spaced", "no_such"], "ENOENT"),
        (["no_such", "spaced"], "EINVAL"),
        (["plain", "gpl_only"], None),
    ],
)
def test_the_last_symbol_that_fails_gives_the_errno(
    build_module: BuildModule, make_facts: MakeFacts, symbols: list[str], errno: str | None
) -> None:
    prediction = predict(judged(build_module(undefined=symbols), facts_of(make_facts)))
    assert (prediction.outcome, prediction.errno) == ("refused" if errno else "reaches-init", errno)


@pytest.mark.parametrize(
    ("symbol", "licence", "check", "errno", "log"),
    [
        ("no_such", "GPL", "symbols", "ENOENT", "hello: Unknown symbol no_such (err -2)"),
        ("changed", "GPL", "symbol-versions", "EINVAL", "hello: disagrees about version of symbol changed"),
        ("gpl_only", "Proprietary", "licence", "ENOENT", "hello: Unknown symbol gpl_only (err -2)"),
        ("gpl_only", "GPLv2", "licence", "ENOENT", "hello: Unknown symbol gpl_only (err -2)"),
        ("gpl_only", None, "licence", "ENOENT", "hello: Unknown symbol gpl_only (err -2)"),
        # Two faults in one symbol: the licence comes before the version, the version before the namespace.
        ("changed_gpl_only", "Proprietary", "licence", "ENOENT", "hello: Unknown symbol changed_gpl_only (err -2)"),
        (
            "changed_spaced",
            "GPL",
            "symbol-versions",
            "EINVAL",
            "hello: disagrees about version of symbol changed_spaced",
        ),
        ("spaced", "Proprietary", "licence", "ENOENT", "hello: Unknown symbol spaced (err -2)"),
        (
            "spaced",
            "GPL",
            "namespaces",
            "EINVAL",
            "hello: module uses symbol (spaced) from namespace DMA_BUF, but does not import it.",
        ),
        ("of_going", "GPL", "symbols", "ENOENT", "hello: Unknown symbol of_going (err -2)"),
    ],
)
def test_each_objection_has_its_errno_and_its_line(
    build_module: BuildModule,
    make_facts: MakeFacts,
    symbol: str,
    licence: str | None,
    check: str,
    errno: str,
    log: str,
) -> None:
    finding = only(judged(build_module(undefined=[symbol], licence=licence), facts_of(make_facts)))
    assert (finding.check, finding.step, finding.severity) == (check, 9, "refuses")
    assert (finding.errno, finding.log) == (errno, log)


@pytest.mark.parametrize(
    ("symbol", "licence", "refused"),
    [
        ("no_such", "GPL", False),
        ("gpl_only", "Proprietary", False),
        ("changed", "GPL", True),
        ("spaced", "GPL", True),
        ("of_going", "GPL", True),
    ],
)
def test_a_weak_symbol_may_be_missing_or_hidden_but_not_wrong(
    build_module: BuildModule, make_facts: MakeFacts, symbol: str, licence: str, refused: bool
) -> None:
    assert bool(judged(build_module(weak=[symbol], licence=licence), facts_of(make_facts))) is refused


def test_the_procedure_linkage_table_of_old_assemblers_is_ignored(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    assert not judged(build_module(undefined=["_GLOBAL_OFFSET_TABLE_"]), facts_of(make_facts))


# --- symbols that lie in no section


@pytest.mark.parametrize(
    ("name", "section", "errno", "log"),
    [
        ("acommon", COMMON, "ENOEXEC", "hello: please compile with -fno-common"),
        ("__gnu_lto_slim", COMMON, None, None),
        ("patched", LIVEPATCH, None, None),
        ("five", ABSOLUTE, None, None),
        ("oob", NOWHERE, "ENOEXEC", "hello: Symbol oob has an invalid section index 65280 (max 6)"),
        ("oob", 0xFFFF, "ENOEXEC", "hello: Symbol oob has an invalid section index 65535 (max 6)"),
        ("oob", 7, "ENOEXEC", "hello: Symbol oob has an invalid section index 7 (max 6)"),
        ("inside", 6, None, None),
    ],
)
def test_where_a_symbol_may_lie(
    build_module: BuildModule, make_facts: MakeFacts, name: str, section: int, errno: str | None, log: str | None
) -> None:
    data = with_sections(build_module(undefined=[name]), {1: section})
    found = judged(data, facts_of(make_facts))
    assert [(finding.errno, finding.log) for finding in found] == ([(errno, log)] if errno else [])


@pytest.mark.parametrize(
    ("features", "section", "severity"),
    [
        ({"symbol-sections-tested": False}, 7, "warns"),
        ({"symbol-sections-tested": False}, 2000, "crashes"),
        ({"other": False}, 7, "cannot-tell"),
    ],
)
def test_old_loaders_read_the_header_of_a_section_that_is_not_there(
    build_module: BuildModule, make_facts: MakeFacts, features: dict[str, bool], section: int, severity: str
) -> None:
    """5.10: a few sections too far loads, 2000 too far is a page fault."""
    data = with_sections(build_module(undefined=["oob"]), {1: section})
    assert only(judged(data, facts_of(make_facts, features))).severity == severity


@pytest.mark.parametrize(("more", "severity"), [(0, "warns"), (1, "crashes")])
def test_a_header_that_is_not_there_is_read_up_to_the_end_of_the_files_last_page(
    build_module: BuildModule, make_facts: MakeFacts, more: int, severity: str
) -> None:
    page, unpadded = 4096, build_module(undefined=["oob"], extra=[(".pad", 1, 0, b"")])
    padding = bytes(-ModuleImage(unpadded).header.shoff % 64)  # so that a header ends where the page does
    data = build_module(undefined=["oob"], extra=[(".pad", 1, 0, padding)])
    assert len(data) < page
    last = (page - ModuleImage(data).header.shoff) // 64 - 1
    found = judged(with_sections(data, {1: last + more}), facts_of(make_facts, {"symbol-sections-tested": False}))
    assert only(found).severity == severity


@pytest.mark.parametrize(("first", "errno"), [(1, "ENOENT"), (2, "ENOEXEC")])
def test_common_and_unknown_symbols_are_taken_in_one_loop(
    build_module: BuildModule, make_facts: MakeFacts, first: int, errno: str
) -> None:
    data = with_sections(build_module(undefined=["no_such_a", "no_such_b"]), {first: COMMON})
    assert predict(judged(data, facts_of(make_facts))).errno == errno


# --- versions


def test_a_module_without_versions_is_compared_with_nothing(build_module: BuildModule, make_facts: MakeFacts) -> None:
    assert not judged(build_module(undefined=["changed"], version_flags=0), facts_of(make_facts))
    assert not judged(build_module(undefined=["changed"]), facts_of(make_facts), LoadRequest(force_modversion=True))


def test_a_kernel_without_versions_compares_nothing(build_module: BuildModule, make_facts: MakeFacts) -> None:
    facts = facts_of(make_facts, vermagic=Fact("7.2.13 SMP mod_unload ", "test"))
    assert not judged(build_module(undefined=["changed"]), facts)


@pytest.mark.parametrize(("feature", "severity"), [(True, "refuses"), (False, "cannot-tell")])
def test_a_symbol_without_a_version_is_refused_by_kernels_that_are_known_for_it(
    build_module: BuildModule, make_facts: MakeFacts, feature: bool, severity: str
) -> None:
    data = build_module(undefined=["plain"], versions={"module_layout": 1})
    finding = only(judged(data, facts_of(make_facts, {"missing-versions-refused": feature})))
    assert (finding.check, finding.severity, finding.errno) == ("symbol-versions", severity, "EINVAL")


def test_both_versions_are_shown(build_module: BuildModule, make_facts: MakeFacts) -> None:
    finding = only(judged(build_module(undefined=["changed"]), facts_of(make_facts)))
    assert "0x00000001" in (finding.module_has or "")
    assert "0x00000002" in (finding.kernel_has or "")


# --- licences of others


def test_who_uses_a_proprietary_module_becomes_proprietary(build_module: BuildModule, make_facts: MakeFacts) -> None:
    """As 6.1 and 7.2 said of stp, with llc made proprietary: inheriting taint, then synchronize_rcu is unknown."""
    found = judged(build_module(undefined=["of_blob", "gpl_only"]), facts_of(make_facts))
    assert [(finding.severity, finding.errno) for finding in found] == [("taints", None), ("refuses", "ENOENT")]
    assert found[1].log == "hello: Unknown symbol gpl_only (err -2)"


def test_who_uses_gpl_only_symbols_may_not_use_a_proprietary_module(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    finding = only(judged(build_module(undefined=["gpl_only", "of_blob"]), facts_of(make_facts)))
    assert (finding.check, finding.errno) == ("licence", "ENOENT")
    assert finding.log == "hello: Unknown symbol of_blob (err -2)"


@pytest.mark.parametrize(("name", "refused"), [("lve", True), ("driverloader", True), ("ndiswrapper", False)])
def test_some_names_are_proprietary_whatever_they_say(
    build_module: BuildModule, make_facts: MakeFacts, name: str, refused: bool
) -> None:
    assert bool(judged(build_module(name=name, undefined=["gpl_only"]), facts_of(make_facts))) is refused


@pytest.mark.parametrize(
    "licence", ["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"]
)
def test_six_licences_open_everything(build_module: BuildModule, make_facts: MakeFacts, licence: str) -> None:
    assert not run_checks(ModuleImage(build_module(undefined=["gpl_only"], licence=licence)), facts_of(make_facts))


# --- doubts


def test_what_is_unknown_is_said_once_a_kind(build_module: BuildModule, make_facts: MakeFacts) -> None:
    names = [f"symbol_{number}" for number in range(100)]
    exports = Fact({name: KernelExport("vmlinux") for name in names}, "names only")
    found = judged(build_module(undefined=names, licence="Proprietary"), facts_of(make_facts, exports=exports))
    assert sorted(finding.check for finding in found) == ["licence", "namespaces", "symbol-versions"]
    assert all("100 symbols" in finding.summary and finding.severity == "cannot-tell" for finding in found)


@pytest.mark.parametrize(
    ("symbols", "errno"), [(["of_doubt", "no_such"], "ENOENT"), (["no_such", "of_doubt"], None), (["of_doubt"], None)]
)
def test_a_doubt_matters_only_after_the_last_refusal(
    build_module: BuildModule, make_facts: MakeFacts, symbols: list[str], errno: str | None
) -> None:
    exports = Fact({**EXPORTS, "of_doubt": KernelExport("vmlinux", None, gpl=False, namespace="")}, "test")
    prediction = predict(judged(build_module(undefined=symbols), facts_of(make_facts, exports=exports)))
    assert (prediction.outcome, prediction.errno) == ("refused" if "no_such" in symbols else "cannot-tell", errno)


def test_a_module_that_is_still_coming_is_waited_for(build_module: BuildModule, make_facts: MakeFacts) -> None:
    finding = only(judged(build_module(undefined=["of_coming"]), facts_of(make_facts)))
    assert (finding.severity, finding.errno) == ("cannot-tell", None)


def test_unknown_exports_are_one_doubt(build_module: BuildModule, make_facts: MakeFacts) -> None:
    facts = facts_of(make_facts, exports=unknown("hidden"))
    assert "hidden" in only(judged(build_module(undefined=["a", "b"]), facts)).summary
