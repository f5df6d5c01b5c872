"""The version of module_layout, and what a module without versions is worth; as 5.10, 6.1 and 6.12 answered."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyinsmod.checks.modversions import check_modversions
from pyinsmod.kernel_facts import Fact, KernelExport, KernelFacts, unknown
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

NOT_COMPARING = Fact("7.2.13 SMP preempt mod_unload ", "test")


def test_another_layout_is_enoexec_with_both_versions(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module(versions={"module_layout": 0x12345678})
    (finding,) = check_modversions(ModuleImage(data), make_facts(), LoadRequest())
    assert (finding.step, finding.severity, finding.errno) == (7, "refuses", "ENOEXEC")
    assert finding.log == "hello: disagrees about version of symbol module_layout"
    assert ("0x12345678" in (finding.module_has or ""), "0x00000001" in (finding.kernel_has or "")) == (True, True)


def test_all_64_bits_of_the_table_count(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module(versions={"module_layout": 1 << 32 | 1})
    (finding,) = check_modversions(ModuleImage(data), make_facts(), LoadRequest())
    assert finding.errno == "ENOEXEC"


def test_the_name_in_the_log_is_that_of_modinfo(build_module: BuildModule, make_facts: MakeFacts) -> None:
    data = build_module(versions={"module_layout": 2}).replace(b"name=hello\0", b"name=other\0")
    (finding,) = check_modversions(ModuleImage(data), make_facts(), LoadRequest())
    assert finding.log == "other: disagrees about version of symbol module_layout"


@pytest.mark.parametrize(
    ("config", "feature", "severity"),
    [
        (Fact({"MODULE_FORCE_LOAD": "y"}, "test"), False, "taints"),
        (Fact(dict[str, str](), "test"), False, "refuses"),
        (unknown("test"), True, "taints"),
        (unknown("test"), False, "cannot-tell"),
    ],
)
@pytest.mark.parametrize(("flags", "request_"), [(0, LoadRequest()), (2, LoadRequest(force_modversion=True))])
def test_no_versions_is_a_matter_of_configuration(
    build_module: BuildModule,
    make_facts: MakeFacts,
    config: Fact[dict[str, str]],
    feature: bool,
    severity: str,
    flags: int,
    request_: LoadRequest,
) -> None:
    facts = make_facts(config=config, features=Fact({"force-load": feature}, "test"))
    (finding,) = check_modversions(ModuleImage(build_module(version_flags=flags)), facts, request_)
    assert finding.severity == severity
    assert finding.log == ("hello: module_layout: kernel tainted." if severity == "taints" else None)


@pytest.mark.parametrize("flags", [0, 2])
def test_a_kernel_that_compares_nothing_minds_nothing(
    build_module: BuildModule, make_facts: MakeFacts, flags: int
) -> None:
    data = build_module(versions={"module_layout": 2}, version_flags=flags)
    assert not list(check_modversions(ModuleImage(data), make_facts(vermagic=NOT_COMPARING), LoadRequest()))


@pytest.mark.parametrize(("feature", "severity"), [(True, "refuses"), (False, "cannot-tell")])
def test_no_entry_is_refused_by_kernels_that_are_known_for_it(
    build_module: BuildModule, make_facts: MakeFacts, feature: bool, severity: str
) -> None:
    facts = make_facts(features=Fact({"missing-versions-refused": feature}, "test"))
    (finding,) = check_modversions(ModuleImage(build_module(versions={})), facts, LoadRequest())
    assert (finding.severity, finding.errno) == (severity, "ENOEXEC")


def test_an_unknown_version_of_the_kernel_is_not_guessed(build_module: BuildModule, make_facts: MakeFacts) -> None:
    facts = make_facts(exports=Fact({"module_layout": KernelExport("vmlinux")}, "names only"))
    (finding,) = check_modversions(ModuleImage(build_module()), facts, LoadRequest())
    assert (finding.severity, "names only" in finding.summary) == ("cannot-tell", True)
