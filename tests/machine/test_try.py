"""`pyinsmod try`, whole: prediction and kernel side by side, on real kernels, and the host untouched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli import main
from tracer.experiments.donor import dependent_pair
from tracer.experiments.init_code import Init
from tracer.experiments.module_spec import ModuleSpec, build

pytestmark = pytest.mark.machine

Try = Callable[..., tuple[int, Any]]

# What `mov $0x11223344, %eax` of an init function that returns this number is exchanged for, at the same length.
RETURNS = bytes.fromhex("b844332211")
READS_NULL = bytes.fromhex("31c08b0090")  # xor %eax,%eax; mov (%rax),%eax; nop
WAITS_FOREVER = bytes.fromhex("ebfe909090")  # jmp to itself; nops

WRITES_FAR_AWAY = "relocation-field:.rela.init.text.offset=0x7fffffff0000"


def modules_of_the_host() -> str:
    path = Path("/proc/modules")
    return path.read_text() if path.exists() else "a kernel without modules"


@pytest.fixture
def try_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Try:
    """A function that runs `pyinsmod try --json` on a module and returns exit status and results."""

    def run(content: bytes, *arguments: str, name: str = "m.ko") -> tuple[int, Any]:
        path = tmp_path / name
        path.write_bytes(content)
        modules = modules_of_the_host()
        status = main(["try", "--json", str(path), *arguments])
        assert modules_of_the_host() == modules
        return status, json.loads(capsys.readouterr().out)["results"]

    return run


def init_that(machine_code: bytes, kernel_tree: Path) -> bytes:
    module = build(ModuleSpec(init=Init(returns=0x11223344)), kernel_tree)
    assert module.count(RETURNS) == 1
    return module.replace(RETURNS, machine_code)


def test_a_sound_module_is_loaded(try_it: Try, kernel_tree: Path) -> None:
    status, (result,) = try_it(build(ModuleSpec(), kernel_tree))
    assert (status, result["kernel"], result["prediction"]["outcome"]) == (0, "6.1", "reaches-init")
    assert (result["reality"]["outcome"], result["agreement"]["agrees"]) == ("loaded", True)
    assert "mymod: init" in result["reality"]["log"]


def test_kernels_are_tried_side_by_side(try_it: Try, kernel_tree: Path) -> None:
    status, results = try_it(build(ModuleSpec(), kernel_tree), "--kernel", "6.1", "--kernel", "6.12")
    assert status == 1
    assert [result["kernel"] for result in results] == ["6.1", "6.12"]
    assert [result["reality"]["errno"] for result in results] == [None, "ENOEXEC"]
    assert [result["agreement"]["agrees"] for result in results] == [True, True]


def test_parameters_are_passed_on(try_it: Try, kernel_tree: Path) -> None:
    (path,) = kernel_tree.rglob("brd.ko")
    status, (result,) = try_it(path.read_bytes(), "rd_nr=many", name="brd.ko")
    assert (status, result["reality"]["errno"], result["parameters"]) == (1, "EINVAL", "rd_nr=many")
    assert any("rd_nr" in line for line in result["reality"]["log"])


def test_what_the_module_needs_is_loaded_first_and_named(try_it: Try, kernel_tree: Path) -> None:
    needed, needing = dependent_pair(kernel_tree)
    status, (result,) = try_it(needing.image)
    assert needed.name in result["loaded_first"]
    assert result["agreement"]["agrees"] is True
    assert (status, result["complaint"]) == (0 if result["reality"]["outcome"] == "loaded" else 1, None)


def test_a_compressed_file_is_loaded_as_load_would(try_it: Try, kernel_tree: Path) -> None:
    _, (result,) = try_it(build(ModuleSpec(compression="xz"), kernel_tree), name="m.ko.xz")
    assert result["reality"]["outcome"] == "loaded"


def test_a_crash_in_init_is_a_result(try_it: Try, kernel_tree: Path) -> None:
    status, (result,) = try_it(init_that(READS_NULL, kernel_tree))
    assert (status, result["reality"]["outcome"], result["reality"]["init_reached"]) == (1, "crashed-kernel", True)
    assert any("NULL pointer dereference" in line for line in result["reality"]["log"])


def test_a_module_that_crashes_the_loader_is_foretold(try_it: Try, kernel_tree: Path) -> None:
    status, (result,) = try_it(build(ModuleSpec(faults=(WRITES_FAR_AWAY,)), kernel_tree))
    assert (status, result["prediction"]["outcome"]) == (1, "crashes-kernel")
    assert (result["reality"]["outcome"], result["agreement"]["agrees"]) == ("crashed-kernel", True)


def test_a_hang_is_a_result(try_it: Try, kernel_tree: Path) -> None:
    status, (result,) = try_it(init_that(WAITS_FOREVER, kernel_tree), "--timeout", "6")
    assert (status, result["reality"]["outcome"], result["lost"]) == (1, "hung", None)


def test_a_folder_with_an_unpacked_package_is_a_kernel_too(try_it: Try, kernel_tree: Path) -> None:
    """The same files as in the store, named by where they are: booted, and the module loaded there."""
    status, (result,) = try_it(build(ModuleSpec(), kernel_tree), "--kernel", str(kernel_tree))
    assert (status, result["kernel"], result["reality"]["outcome"]) == (0, str(kernel_tree), "loaded")
    assert result["agreement"]["agrees"]
