"""Whole modules: what kmod and binutils say of what we make."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.experiments.donor import Donor, choose_donor
from tracer.experiments.errors import NotRelocatable, UnsuitableDonor
from tracer.experiments.init_code import Exit, Init
from tracer.experiments.module_spec import ModuleSpec, build

Program = Callable[..., str]


def test_a_donor_that_is_no_module_is_refused(kernel_tree: Path, tiny_image: bytes) -> None:
    with pytest.raises(NotRelocatable):
        build(ModuleSpec(), kernel_tree, Donor("bad", Path("bad.ko"), b"bad"))
    with pytest.raises(NotRelocatable, match=r"no section \.gnu\.linkonce\.this_module"):
        build(ModuleSpec(), kernel_tree, Donor("tiny", Path("tiny.ko"), tiny_image))


def test_a_donor_whose_name_stands_elsewhere_is_refused(kernel_tree: Path) -> None:
    donor = choose_donor(kernel_tree)
    field = donor.name.encode() + bytes(56 - len(donor.name))
    assert donor.image.count(field) == 1
    other = donor.image.replace(field, bytes(8) + field[:-8])
    with pytest.raises(UnsuitableDonor, match="at offset 24"):
        build(ModuleSpec(), kernel_tree, Donor(donor.name, donor.path, other))


def test_the_module_is_renamed_in_both_places_and_unsigned(kernel_tree: Path, tmp_path: Path, modinfo: Program) -> None:
    path = tmp_path / "m.ko"
    path.write_bytes(build(ModuleSpec(name="mymod"), kernel_tree))
    assert modinfo("-F", "name", path) == "mymod\n"
    assert modinfo("-F", "signer", path) == ""
    assert modinfo("-F", "depends", path).strip() == ""
    image = path.read_bytes()
    assert image.count(b"mymod".ljust(56, b"\0")) == 1
    assert choose_donor(kernel_tree).name.encode().ljust(56, b"\0") not in image


def test_everything_but_the_name_is_the_donors(kernel_tree: Path, tmp_path: Path, modinfo: Program) -> None:
    donor = choose_donor(kernel_tree)
    for name, image in {"one.ko": donor.image, "two.ko": build(ModuleSpec(), kernel_tree)}.items():
        (tmp_path / name).write_bytes(image)
    for key in ("vermagic", "license", "intree", "retpoline"):
        assert modinfo("-F", key, tmp_path / "one.ko") == modinfo("-F", key, tmp_path / "two.ko")


def test_readelf_finds_nothing_to_warn_about(kernel_tree: Path, tmp_path: Path, readelf: Program) -> None:
    path = tmp_path / "m.ko"
    spec = ModuleSpec(init=Init(sleep_ms=5), faults=("undefined-symbol", "relocation-nonzero"))
    path.write_bytes(build(spec, kernel_tree))
    assert "Warning" not in readelf("--headers", "--symbols", "--relocs", "--wide", "--lint", path)


def test_the_same_spec_gives_the_same_bytes(kernel_tree: Path) -> None:
    spec = ModuleSpec("other", Init("hi", 0, 20), Exit(None), ("vermagic-release",), "gz")
    assert build(spec, kernel_tree) == build(spec, kernel_tree)


def test_compression_changes_nothing_inside(kernel_tree: Path) -> None:
    plain = build(ModuleSpec(), kernel_tree)
    xz = build(ModuleSpec(compression="xz"), kernel_tree)
    assert lzma.decompress(xz) == plain
    assert xz[6:8] == b"\x00\x01"  # stream flags: CRC32, all that the kernel's decoder knows
    assert gzip.decompress(build(ModuleSpec(compression="gz"), kernel_tree)) == plain
