"""A module that nothing could remove again; and modules of which that cannot be said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.checks import CHECKS
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import Fact, KernelFacts
from pyinsmod.load_request import LoadRequest
from pyinsmod.module_image import ModuleImage
from tracer.experiments.module_spec import ModuleSpec, build

BuildModule = Callable[..., bytes]
MakeFacts = Callable[..., KernelFacts]


def found(data: bytes, make_facts: MakeFacts, config: dict[str, str] | None = None) -> list[Finding]:
    return list(CHECKS["permanent"](ModuleImage(data), make_facts(config=Fact(config, "test")), LoadRequest()))


def test_of_a_struct_module_without_any_pointer_nothing_is_said(
    build_module: BuildModule, make_facts: MakeFacts
) -> None:
    assert not found(build_module(), make_facts)


@pytest.mark.parametrize("faults", [(), ("no-init",), ("no-init", "no-exit")])
def test_nor_of_one_that_can_be_removed(kernel_tree: Path, make_facts: MakeFacts, faults: tuple[str, ...]) -> None:
    assert not found(build(ModuleSpec(faults=faults), kernel_tree), make_facts)


@pytest.mark.parametrize(
    ("config", "kernel"),
    [
        (None, "does not remove such a module"),
        ({"MODULE_UNLOAD": "y"}, "does not remove such a module"),
        ({"MODULE_UNLOAD": "y", "MODULE_FORCE_UNLOAD": "y"}, "removes it by force only (rmmod -f)"),
        ({"MODULES": "y"}, None),  # where nothing can be removed
    ],
)
def test_one_without_an_exit_function_stays(
    kernel_tree: Path, make_facts: MakeFacts, config: dict[str, str] | None, kernel: str | None
) -> None:
    findings = found(build(ModuleSpec(faults=("no-exit",)), kernel_tree), make_facts, config)
    assert [(one.severity, one.kernel_has) for one in findings] == ([("warns", kernel)] if kernel else [])
