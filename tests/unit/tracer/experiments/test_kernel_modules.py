"""Finding modules, and what they know of their kernel, in an unpacked package."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from tracer.experiments.errors import UnsuitableDonor
from tracer.experiments.kernel_modules import find_import, module_files, read_module

Program = Callable[..., str]


def a_package(tree: Path, modules: dict[str, bytes], top: str = "lib", release: str = "1.0") -> Path:
    folder = tree / top / "modules" / release / "kernel" / "drivers"
    folder.mkdir(parents=True)
    for name, content in modules.items():
        (folder / name).write_bytes(content)
    return tree


def test_a_folder_without_modules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableDonor, match="0 kernels"):
        module_files(tmp_path)


def test_a_folder_with_two_kernels_is_refused(tmp_path: Path) -> None:
    a_package(tmp_path, {}, release="1.0")
    a_package(tmp_path, {}, release="2.0")
    with pytest.raises(UnsuitableDonor, match="2 kernels"):
        module_files(tmp_path)


@pytest.mark.parametrize("name", ["bad.ko.xz", "bad.ko.gz"])
def test_a_broken_compressed_module_is_refused_with_its_path(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not compressed at all")
    with pytest.raises(UnsuitableDonor, match=name):
        read_module(tmp_path / name)


def test_the_smallest_come_first_and_names_are_those_of_the_kernel(tmp_path: Path) -> None:
    tree = a_package(tmp_path, {"long-name.ko": b"12", "b.ko.xz": b"1", "a.ko": b"1", "Makefile": b"", "c.kot": b""})
    assert list(module_files(tree)) == ["a", "b", "long_name"]


@pytest.mark.parametrize("top", ["lib", "usr/lib"])
def test_both_places_of_modules_are_known(tmp_path: Path, top: str) -> None:
    assert list(module_files(a_package(tmp_path, {"a.ko": b""}, top))) == ["a"]


def test_a_merged_lib_is_not_taken_for_two_kernels(tmp_path: Path) -> None:
    a_package(tmp_path, {"a.ko": b""}, "usr/lib")
    (tmp_path / "lib").symlink_to("usr/lib")
    assert list(module_files(tmp_path)) == ["a"]


def test_modules_are_read_decompressed(tmp_path: Path) -> None:
    for name, content in {
        "a.ko": b"x",
        "b.ko.xz": lzma.compress(b"x"),
        "c.ko.gz": gzip.compress(b"x"),
    }.items():
        (tmp_path / name).write_bytes(content)
        assert read_module(tmp_path / name) == b"x"


def test_an_import_is_found_under_any_of_its_names(tmp_path: Path, tiny_image: bytes) -> None:
    # The smaller one has the name only in passing: in its signature.
    passing = tiny_image.replace(b"\0there\0", b"\0other\0") + b"\0there\0"
    modules = {"a.ko": passing, "b.ko": tiny_image + bytes(100), "bad.ko": b"\0there\0"}
    tree = a_package(tmp_path, modules)
    assert find_import(tree, "_there", "there") == ("there", None)


def test_a_symbol_nobody_imports_is_named(tmp_path: Path, tiny_image: bytes) -> None:
    tree = a_package(tmp_path, {"a.ko": tiny_image})
    with pytest.raises(UnsuitableDonor, match="no module imports one or two"):
        find_import(tree, "one", "two")


def test_the_crc_is_the_one_kmod_shows(kernel_tree: Path, tmp_path: Path, modprobe: Program) -> None:
    crc = find_import(kernel_tree, "msleep").crc
    if crc is None:
        pytest.skip("this kernel's modules carry no CRCs: run with a kernel that has MODVERSIONS, such as 6.1")
    judge = next(path for path in module_files(kernel_tree).values() if b"\0msleep\0" in read_module(path))
    (tmp_path / "judge.ko").write_bytes(read_module(judge))
    assert f"0x{crc:08x}\tmsleep" in modprobe("--dump-modversions", tmp_path / "judge.ko").splitlines()
