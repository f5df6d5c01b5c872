"""`pyinsmod check FOLDER --kernel K`: all that can be named as a kernel, held against one small tree."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli import main
from pyinsmod.cli.kernels import kernel_named, stored_kernels
from pyinsmod.kernel_facts.boot_image import vmlinux_in
from tests.unit.vm.test_rpm_package import built, needs_rpmbuild
from vm.kernel_store import fetch

MODULES = ("lib/libcrc32c.ko", "net/netfilter/nf_conntrack.ko", "net/ipv4/netfilter/nf_defrag_ipv4.ko",
           "net/ipv6/netfilter/nf_defrag_ipv6.ko")  # fmt: skip
needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="apt-get install dpkg")


@pytest.fixture
def tree(kernel_tree: Path, tmp_path: Path) -> Path:
    """Modules of 6.1 that depend on each other."""
    root = tmp_path / "tree"
    root.mkdir()
    for name in MODULES:
        shutil.copyfile(next(kernel_tree.glob(f"lib/modules/*/kernel/{name}")), root / Path(name).name)
    return root


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["check", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def outcomes(printed: str) -> list[str]:
    return [each["prediction"]["outcome"] for each in json.loads(printed)["results"]]


def part_of_kernel(name: str, root: Path, *parts: str) -> Path:
    """Copy some of a kernel's package, as a smaller package has them."""
    stored = fetch(name)
    for part in parts:
        place = part.format(release=stored.release)
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(stored.root / place, root / place)
    return root


PARTS = ("boot/vmlinuz-{release}", "boot/config-{release}")
CONTROL = "Package: k\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.org>\nDescription: x\n"


def debian_package(root: Path, deb: Path) -> Path:
    (root / "DEBIAN").mkdir()
    (root / "DEBIAN/control").write_text(CONTROL)
    subprocess.run(["dpkg-deb", "-Znone", "-b", root, deb], check=True, stdout=subprocess.DEVNULL)
    return deb


@needs_dpkg
def test_several_debian_packages(capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path) -> None:
    debs = [
        debian_package(part_of_kernel(name, tmp_path / name, *PARTS), tmp_path / f"linux-image-{name}.deb")
        for name in ("6.1", "5.10")
    ]
    status, out, _ = run(capsys, tree, "--kernel", debs[0], "--kernel", debs[1], "--json")
    assert status == 1
    assert outcomes(out) == ["reaches-init", "refused"] * len(MODULES)


@needs_dpkg
def test_a_debian_package_cut_short_is_named_and_the_others_checked(
    capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path
) -> None:
    deb = debian_package(part_of_kernel("6.1", tmp_path / "6.1", *PARTS), tmp_path / "linux-image.deb")
    deb.write_bytes(deb.read_bytes()[:100_000])
    status, out, err = run(capsys, tree, "--kernel", deb, "--kernel", "6.1")
    assert (status, err.count(str(deb)), err.count("\n")) == (3, 1, 1)
    assert f"{len(MODULES)} reach init" in out


@needs_rpmbuild
def test_a_package_of_rpm_is_a_kernel_and_a_tree(
    capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path
) -> None:
    """As Fedora lays it out: everything below lib/modules/RELEASE."""
    release = fetch("6.1").release
    root, place = tmp_path / "core", tmp_path / f"core/lib/modules/{release}"
    place.mkdir(parents=True)
    shutil.copyfile(fetch("6.1").root / f"boot/vmlinuz-{release}", place / "vmlinuz")
    shutil.copyfile(fetch("6.1").root / f"boot/config-{release}", place / "config")
    shutil.copytree(tree, place / "kernel")
    (tmp_path / "build").mkdir()
    rpm = built(root, tmp_path / "build", "w3.zstdio")
    for path, kernel in ((tree, rpm), (rpm, "6.1"), (rpm, rpm)):
        status, out, err = run(capsys, path, "--kernel", kernel, "--json")
        assert (status, err) == (0, "")
        assert outcomes(out) == ["reaches-init"] * len(MODULES)
        assert json.loads(out)["kernels"][0]["release"] == release
    rpm.write_bytes(rpm.read_bytes()[:2000])
    status, _, err = run(capsys, tree, "--kernel", rpm)
    assert (status, err.count("\n")) == (2, 1)


def symvers_of(kernel: str, *, columns: int = 5) -> str:
    """Return the Module.symvers of a kernel in one of its formats; 0: that of 5.4, with the namespace third."""
    exports = kernel_named(kernel).facts.exports.value
    assert exports is not None
    lines = []
    for name in exports:
        found = exports[name]
        how = "EXPORT_SYMBOL_GPL" if found.gpl else "EXPORT_SYMBOL"
        every = [f"{found.crc:#010x}", name, "vmlinux", how, found.namespace or ""]
        row = [every[0], name, every[4], "vmlinux", how] if not columns else every[:columns]
        lines.append("\t".join(row))
    return "\n".join((*lines, ""))


@pytest.mark.parametrize("columns", [0, 2, 3, 4, 5])
def test_a_list_of_exports_finds_the_same_symbols_in_every_format(
    capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path, columns: int
) -> None:
    """It says nothing of the version magic: that is left open, and said once."""
    (tmp_path / "Module.symvers").write_text(symvers_of("6.1", columns=columns))
    status, out, _ = run(capsys, tree, "--kernel", tmp_path / "Module.symvers", "--json")
    assert status == 3
    assert outcomes(out) == ["cannot-tell"] * len(MODULES)
    (tmp_path / "Module.symvers").write_text(symvers_of("5.10", columns=columns))
    status, out, _ = run(capsys, tree, "--kernel", tmp_path / "Module.symvers", "--json")
    checks = {finding["check"] for each in json.loads(out)["results"] for finding in each["findings"]}
    assert status == 1
    assert outcomes(out) == ["refused"] * len(MODULES)
    assert "modversions" in checks


def test_what_a_target_cannot_tell_is_said_once(capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path) -> None:
    (tmp_path / "symvers.gz").write_bytes(gzip.compress(symvers_of("6.1").encode()))
    status, out, _ = run(capsys, tree, "--kernel", tmp_path / "symvers.gz")
    assert status == 3
    assert out.count("version magic") <= 1
    assert len(out.splitlines()) < 20


@pytest.mark.parametrize("more", ["", "System.map"])
def test_a_vmlinux_with_or_without_its_map(
    capsys: pytest.CaptureFixture[str], kernel_tree: Path, tree: Path, tmp_path: Path, more: str
) -> None:
    image = next(kernel_tree.glob("boot/vmlinuz-*"))
    (tmp_path / "vmlinux").write_bytes(vmlinux_in(image.read_bytes()))
    if more:
        (tmp_path / more).write_text("ffffffff81000000 T _text\n")
    status, out, _ = run(capsys, tree, "--kernel", tmp_path / "vmlinux")
    assert status == 0
    assert f"{len(MODULES)} reach init" in out


def test_every_kernel_of_the_store(capsys: pytest.CaptureFixture[str], tree: Path) -> None:
    _, out, _ = run(capsys, tree, "--kernel", "all", "--json")
    found = json.loads(out)
    assert [kernel["name"] for kernel in found["kernels"]] == stored_kernels()
    by_kernel: dict[str, set[Any]] = {}
    for result in found["results"]:
        by_kernel.setdefault(result["kernel"], set()).add(result["prediction"]["outcome"])
    assert by_kernel["6.1"] == {"reaches-init"}
    assert len(found["results"]) == len(MODULES) * len(stored_kernels())


def test_headers_of_another_architecture(capsys: pytest.CaptureFixture[str], tree: Path, tmp_path: Path) -> None:
    """A list of exports has no architecture; with the configuration beside it, every module is of the wrong one."""
    (tmp_path / "h/include/config").mkdir(parents=True)
    (tmp_path / "h/include/config/kernel.release").write_text("6.1.0-arm64\n")
    (tmp_path / "h/.config").write_text("CONFIG_ARM64=y\nCONFIG_SMP=y\nCONFIG_MODVERSIONS=y\nCONFIG_MODULES=y\n")
    (tmp_path / "h/Module.symvers").write_text("0x00000001\tmodule_layout\tvmlinux\tEXPORT_SYMBOL\t\n")
    status, out, _ = run(capsys, tree, "--kernel", tmp_path / "h")
    assert status == 1
    assert f"{len(MODULES)} refused" in out
    assert "aarch64" in out
