"""Namespaces of symbols, as 5.10 to 7.2 judged them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pyinsmod.checks.namespaces import check_imported_namespaces, how_to_import, names_module
from pyinsmod.checks.symbols import check_symbols
from pyinsmod.kernel_facts import Fact, KernelExport, KernelFacts, unknown
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]

CONFIG = Fact({"MODULES": "y"}, "test")


@pytest.mark.parametrize(
    ("namespace", "imports", "refused"),
    [
        ("DMA_BUF", [], True),
        ("DMA_BUF", ["DMA_BUF"], False),
        ("DMA_BUF", ["FOO", "DMA_BUF"], False),
        ("DMA_BUF", ['"DMA_BUF"'], True),
        ("", [], False),
    ],
)
def test_a_namespace_has_to_be_imported_to_the_letter(
    build_module: BuildModule, make_facts: MakeFacts, namespace: str, imports: list[str], refused: bool
) -> None:
    exports = Fact({"used": KernelExport("vmlinux", 1, gpl=True, namespace=namespace)}, "test")
    data = build_module(undefined=["used"], said=[f"import_ns={name}" for name in imports])
    found = list(check_symbols(ModuleImage(data), make_facts(exports=exports, config=CONFIG), LoadRequest()))
    assert [finding.errno for finding in found] == (["EINVAL"] if refused else [])


@pytest.mark.parametrize(
    ("config", "enforced", "severity"),
    [
        (Fact({"MODULE_ALLOW_MISSING_NAMESPACE_IMPORTS": "y"}, "test"), False, "warns"),
        (Fact({"MODULES": "y"}, "test"), False, "refuses"),
        (unknown("test"), True, "refuses"),
        (unknown("test"), False, "cannot-tell"),
    ],
)
def test_some_kernels_only_warn(
    build_module: BuildModule, make_facts: MakeFacts, config: Fact[dict[str, str]], enforced: bool, severity: str
) -> None:
    exports = Fact({"used": KernelExport("vmlinux", 1, gpl=True, namespace="DMA_BUF")}, "test")
    facts = make_facts(exports=exports, config=config, features=Fact({"namespaces-enforced": enforced}, "test"))
    (finding,) = check_symbols(ModuleImage(build_module(undefined=["used"])), facts, LoadRequest())
    assert finding.severity == severity


@pytest.mark.parametrize(
    ("namespace", "module", "own"),
    [
        ("module:kvm", "kvm", True),
        ("module:kvm", "mymod", False),
        ("module:kvm,kvm-amd,kvm-intel", "kvm_intel", True),
        ("module:kvm,kvm-amd,kvm-intel", "kvm_foo", False),
        ("module:kvm,kvm-amd,kvm-intel", "kv", False),
        ("module:virt*", "virtio_net", True),
        ("module:virt*", "vir", False),
        ("module:*", "any", True),
    ],
)
def test_namespaces_of_modules_go_by_name(namespace: str, module: str, own: bool) -> None:
    assert names_module(namespace, module) is own


@pytest.mark.parametrize(("known", "refused"), [(True, False), (False, True)])
def test_only_newer_kernels_know_them(
    build_module: BuildModule, make_facts: MakeFacts, known: bool, refused: bool
) -> None:
    """6.12 has symbols in `module:kvm` and takes that for a namespace like any other: it wants it imported."""
    exports = Fact({"used": KernelExport("vmlinux", 1, gpl=True, namespace="module:kvm")}, "test")
    facts = make_facts(exports=exports, config=CONFIG, features=Fact({"module-namespaces": known}, "test"))
    image = ModuleImage(build_module(name="kvm", undefined=["used"]))
    assert bool(list(check_symbols(image, facts, LoadRequest()))) is refused


@pytest.mark.parametrize(
    ("features", "severities"),
    [({"module-namespaces": True}, ["refuses"]), ({"module-namespaces": False}, []), ({}, ["cannot-tell"])],
)
def test_they_cannot_be_imported(
    build_module: BuildModule, make_facts: MakeFacts, features: dict[str, bool], severities: list[str]
) -> None:
    image = ModuleImage(build_module(said=["import_ns=FOO", "import_ns=module:foo"]))
    found = list(check_imported_namespaces(image, make_facts(features=Fact(features, "test")), LoadRequest()))
    assert [finding.severity for finding in found] == severities
    assert all(finding.errno == "EPERM" for finding in found)


def test_the_line_to_add_is_shown_in_both_spellings_where_the_kernel_does_not_tell(make_facts: MakeFacts) -> None:
    assert how_to_import("NS", make_facts(features=Fact({"module-namespaces": True}, "test"))).endswith('("NS");')
    both = how_to_import("NS", make_facts())
    assert "MODULE_IMPORT_NS(NS);" in both
    assert 'MODULE_IMPORT_NS("NS");' in both
