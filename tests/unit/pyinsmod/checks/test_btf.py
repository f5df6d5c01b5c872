"""The check of a module's BTF: what of its faults a kernel refuses, tolerates or does not survive."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from pyinsmod.checks.btf import check_btf
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from tests.unit.pyinsmod.btf.built_btf import BASE, DISTILLED, END, ENUM, OWN_STRINGS, PTR, STRUCT, btf, info

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]


def found(build: BuildModule, facts: KernelFacts, own: bytes, base: bytes | None = None) -> list[Finding]:
    sections = [(".BTF", 1, 0, own)] + ([(".BTF.base", 1, 0, base)] if base is not None else [])
    return list(check_btf(ModuleImage(build(extra=sections)), facts, LoadRequest()))


REFUSING = {
    "module-btf": True,
    "btf-mismatch-tolerated": False,
    "btf-layout": True,
    "btf-masked-info": False,
    "btf-chains": True,
    "btf-tags-first": False,
    "btf-distilled-base": True,
}
TOLERATING = {**REFUSING, "btf-mismatch-tolerated": True, "btf-layout": False, "btf-masked-info": True}
BAD = btf([0, info(ENUM), 3], OWN_STRINGS)
GOOD = btf([0, info(PTR), 1], OWN_STRINGS)


def facts_with(make: MakeFacts, features: dict[str, bool] | None, **more: object) -> KernelFacts:
    return make(features=Fact(features, "test"), btf=Fact(BASE, "test"), **more)


def test_a_kernel_that_allows_no_mismatch_refuses(build_module: BuildModule, make_facts: MakeFacts) -> None:
    [finding] = found(build_module, facts_with(make_facts, REFUSING), BAD)
    assert (finding.severity, finding.errno, finding.step) == ("refuses", "EINVAL", 11)
    assert finding.log == "failed to validate module [hello] BTF: -22"
    assert "its type 1, ENUM: its size is 3" in finding.summary


def test_an_errno_that_only_the_kernel_has_a_name_for(build_module: BuildModule, make_facts: MakeFacts) -> None:
    [finding] = found(build_module, facts_with(make_facts, REFUSING), btf([], OWN_STRINGS, version=2))
    assert finding.errno == "errno 524"


@pytest.mark.parametrize("own", [b"", GOOD])
def test_nothing_is_said_of_good_btf_or_none(build_module: BuildModule, make_facts: MakeFacts, own: bytes) -> None:
    assert not found(build_module, facts_with(make_facts, REFUSING), own)
    assert not found(build_module, facts_with(make_facts, None), own)
    assert not found(build_module, make_facts(features=Fact(REFUSING, "test")), own)


def test_a_kernel_that_allows_mismatches_is_only_warned_of(build_module: BuildModule, make_facts: MakeFacts) -> None:
    [finding] = found(build_module, facts_with(make_facts, TOLERATING), btf([0, info(31), 3], OWN_STRINGS))
    assert (finding.severity, finding.errno) == ("warns", None)
    assert finding.log is not None
    assert finding.log.startswith("Kernel module BTF mismatch detected")


def test_the_configuration_says_what_is_allowed(build_module: BuildModule, make_facts: MakeFacts) -> None:
    older = {**TOLERATING, "btf-mismatch-tolerated": False}
    for config, severity in (({"MODULE_ALLOW_BTF_MISMATCH": "y"}, "warns"), ({}, "refuses"), (None, "cannot-tell")):
        facts = facts_with(make_facts, older, config=Fact(config, "test"))
        assert [finding.severity for finding in found(build_module, facts, b"\0" * 40)] == [severity]


def test_a_kernel_without_module_btf_does_not_look(build_module: BuildModule, make_facts: MakeFacts) -> None:
    assert not found(build_module, facts_with(make_facts, {**REFUSING, "module-btf": False}), BAD)


def test_a_base_may_bring_down_a_kernel_that_tolerates_all_else(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    own = btf([0, info(STRUCT, 1), 8, 0, 99, 0], b"x\0")
    [finding] = found(build_module, facts_with(make_facts, TOLERATING), own, DISTILLED)
    assert (finding.severity, finding.errno) == ("crashes", None)


def test_a_kernel_that_does_not_look_for_a_base_takes_the_types_for_its_own(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    facts = facts_with(make_facts, {**REFUSING, "btf-distilled-base": False})
    assert not found(build_module, facts, GOOD, b"no BTF")


@pytest.mark.parametrize(
    ("own", "severity", "errno"),
    [
        (btf([0, info(ENUM), 3], OWN_STRINGS), "refuses", "EINVAL"),  # to every kernel
        (btf([], OWN_STRINGS, bytes(8) + b"\1\0\0\0"), "refuses", "E2BIG"),
        (btf([], OWN_STRINGS, struct.pack("<II", END - 1, 4)) + bytes(4), "cannot-tell", "EINVAL"),  # or E2BIG
        (btf([], OWN_STRINGS, struct.pack("<II", END, 4)) + bytes(4), None, None),  # fine to some
    ],
)
def test_where_it_is_not_known_how_a_kernel_reads_them_every_way_has_to_object(
    build_module: BuildModule, make_facts: MakeFacts, own: bytes, severity: str | None, errno: str | None
) -> None:
    unread = {name: known for name, known in REFUSING.items() if name != "btf-layout"}
    findings = found(build_module, facts_with(make_facts, unread, config=Fact({}, "test")), own)
    assert [(one.severity, one.errno) for one in findings] == ([(severity, errno)] if severity else [])
