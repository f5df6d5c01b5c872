"""Choosing real modules to make experiments from."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.experiments.donor import choose_donor, dependent_pair, why_unsuitable
from tracer.experiments.errors import UnsuitableDonor
from tracer.experiments.kernel_modules import module_files, read_module

Program = Callable[..., str]


def a_package(tree: Path, modules: dict[str, bytes]) -> Path:
    folder = tree / "lib/modules/1.0/kernel"
    folder.mkdir(parents=True)
    for name, content in modules.items():
        (folder / f"{name}.ko").write_bytes(content)
    return tree


def test_a_package_without_a_fit_module_is_refused(tmp_path: Path, tiny_image: bytes) -> None:
    tree = a_package(tmp_path, {"tiny": tiny_image, "nls_utf8": b"no module"})
    with pytest.raises(UnsuitableDonor, match="no module is fit"):
        choose_donor(tree)
    with pytest.raises(UnsuitableDonor, match="no module needs exactly one other"):
        dependent_pair(tree)


def test_it_is_said_why_a_module_is_unfit(tiny_image: bytes) -> None:
    assert why_unsuitable(b"MZ") == "no ELF file: 2 bytes that start with b'MZ'"
    assert why_unsuitable(tiny_image) == "no .data, .modinfo, .init.text, .exit.text, .gnu.linkonce.this_module"


def test_a_module_that_needs_others_or_patches_itself_is_unfit(kernel_tree: Path) -> None:
    pair = dependent_pair(kernel_tree)
    reasons = {why_unsuitable(donor.image) for donor in pair}
    assert None not in reasons


def test_the_donor_has_all_that_the_documents_name(kernel_tree: Path, tmp_path: Path, readelf: Program) -> None:
    donor = choose_donor(kernel_tree)
    path = tmp_path / "donor.ko"
    path.write_bytes(donor.image)
    table = readelf("--sections", "--wide", path)
    sizes = {
        line.split("]")[1].split()[0]: line.split("]")[1].split()[4] for line in table.splitlines() if "] ." in line
    }
    for name in (".text", ".data", ".bss", ".rela.text", ".modinfo", ".init.text", ".exit.text"):
        assert int(sizes[name], 16) > 0, name


def test_without_the_preferred_modules_another_is_found(kernel_tree: Path, tmp_path: Path) -> None:
    preferred = choose_donor(kernel_tree)
    copy = a_package(tmp_path, {"zz_other": preferred.image, "small": b"no module"})
    assert choose_donor(copy).name == "zz_other"


def test_choosing_is_quick_and_always_the_same(kernel_tree: Path) -> None:
    for function in (choose_donor, dependent_pair, module_files):
        function.cache_clear()
    start = time.monotonic()
    first = choose_donor(kernel_tree), dependent_pair(kernel_tree)
    assert time.monotonic() - start < 1
    choose_donor.cache_clear()
    assert choose_donor(kernel_tree) == first[0]


def test_the_pair_is_what_modinfo_says(kernel_tree: Path, tmp_path: Path, modinfo: Program) -> None:
    needed, needing = dependent_pair(kernel_tree)
    for donor in (needed, needing):
        (tmp_path / f"{donor.name}.ko").write_bytes(donor.image)
    assert modinfo("-F", "depends", tmp_path / f"{needed.name}.ko").strip() == ""
    assert modinfo("-F", "depends", tmp_path / f"{needing.name}.ko").strip() == needed.name


def test_donors_are_decompressed(kernel_tree: Path) -> None:
    donor = choose_donor(kernel_tree)
    assert donor.image.startswith(b"\x7fELF")
    assert donor.image == read_module(donor.path)
