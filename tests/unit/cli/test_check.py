"""`pyinsmod check --kernel K`, with a kernel of the test's own and with one of the store."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pyinsmod.cli import main
from pyinsmod.cli.kernels import KernelUnavailable, unpacked_package
from pyinsmod.errors import UsageError
from tests.unit.pyinsmod.kernel_facts.built_kernels import RELEASE, Symbol, vmlinuz

# crc32c_impl of libcrc32c, seen on 6.1: btrfs uses it.
NEEDS_OTHERS, NEEDS_NOBODY = "fs/btrfs/btrfs.ko", "net/dns_resolver/dns_resolver.ko"


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A boot image of a small kernel; the cache is the test's own."""
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "kernel" / f"vmlinuz-{RELEASE}"
    path.parent.mkdir()
    path.write_bytes(vmlinuz(symbols=[Symbol("_printk", 1), Symbol("module_layout", 2)]))
    return path


@pytest.fixture
def real_module(kernel_tree: Path) -> Path:
    """A distribution module that depends on no other."""
    return next(kernel_tree.glob(f"lib/modules/*/kernel/{NEEDS_NOBODY}"))


def checked(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any]]:
    """Run `check --json`; return its exit status and the object it printed."""
    status = main(["check", "--json", *map(str, arguments)])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["/nonexistent", "no-such-kernel", "", "6.1/x", "/etc/hostname", "/etc", "."])
def test_what_is_no_kernel_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], kernel: Path, real_module: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    empty = kernel.parent / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    assert main(["check", str(real_module), "--kernel", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"!<arch>\ndamaged", b"text"])
def test_a_damaged_package_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], kernel: Path, real_module: Path, content: bytes
) -> None:
    deb = kernel.with_name("linux-image.deb")
    deb.write_bytes(content)
    assert main(["check", str(real_module), "--kernel", str(deb)]) == 2
    assert f"{deb}: " in capsys.readouterr().err


def test_a_kernel_that_cannot_be_downloaded_is_status_3(
    capsys: pytest.CaptureFixture[str], kernel: Path, real_module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kernel.exists()  # the store is the test's own, and empty
    monkeypatch.setenv("PYINSMOD_DEBIAN_MIRROR", "http://127.0.0.1:9/nothing")
    assert main(["check", str(real_module), "--kernel", "6.1"]) == 3
    assert capsys.readouterr().err.splitlines()[-1].startswith("pyinsmod: kernel 6.1: ")


@pytest.mark.parametrize(
    "arguments",
    [[], ["--kernel"], ["x.ko", "--kernel"], ["--kernel", "6.1"], ["--no-such"], ["x.ko", "--kernel", "--json"]],
)
def test_a_command_line_that_makes_no_sense_is_status_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert main(["check", *arguments]) == 2
    assert "(pyinsmod check -h explains)" in capsys.readouterr().err


# --- files that are no modules


def test_a_device_is_refused_as_no_regular_file(capsys: pytest.CaptureFixture[str], kernel: Path) -> None:
    status, printed = checked(capsys, "/dev/null", "--kernel", kernel)
    prediction = printed["results"][0]["prediction"]
    assert (status, prediction["outcome"], prediction["errno"], prediction["step"]) == (1, "refused", "EINVAL", 5)


def test_a_pipe_is_not_waited_for(capsys: pytest.CaptureFixture[str], kernel: Path, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.ko")
    status, printed = checked(capsys, tmp_path / "pipe.ko", "--kernel", kernel)
    assert (status, printed["results"][0]["prediction"]["errno"]) == (1, "EINVAL")


@pytest.mark.parametrize(("content", "errno"), [(b"", "EINVAL"), (b"a text\n", "ENOEXEC")])
def test_no_module_is_refused(
    capsys: pytest.CaptureFixture[str], kernel: Path, tmp_path: Path, content: bytes, errno: str
) -> None:
    (tmp_path / "m.ko").write_bytes(content)
    status, printed = checked(capsys, tmp_path / "m.ko", "--kernel", kernel)
    assert (status, printed["results"][0]["prediction"]["errno"]) == (1, errno)


def test_a_link_to_nothing_in_a_folder_is_cannot_tell(
    capsys: pytest.CaptureFixture[str], kernel: Path, tmp_path: Path
) -> None:
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/gone.ko").symlink_to("/nonexistent")
    status, printed = checked(capsys, tmp_path / "modules", "--kernel", kernel)
    assert (status, printed["results"][0]["prediction"]["outcome"]) == (3, "cannot-tell")


def test_a_module_of_another_machine_is_refused(
    capsys: pytest.CaptureFixture[str], kernel: Path, tmp_path: Path, real_module: Path
) -> None:
    content = bytearray(real_module.read_bytes())
    struct.pack_into("<H", content, 18, 183)
    (tmp_path / "arm64.ko").write_bytes(content)
    status, printed = checked(capsys, tmp_path / "arm64.ko", "--kernel", kernel)
    assert (status, printed["results"][0]["prediction"]["errno"]) == (1, "ENOEXEC")
    assert "aarch64" in printed["results"][0]["findings"][0]["summary"]


# --- kernels


def test_a_boot_image_is_a_kernel(capsys: pytest.CaptureFixture[str], kernel: Path, real_module: Path) -> None:
    status, printed = checked(capsys, real_module, "--kernel", kernel)
    assert status == 1
    (described,) = printed["kernels"]
    assert (described["name"], described["release"]) == (str(kernel), RELEASE)
    assert described["sources"]["vermagic"] == described["sources"]["symbols"] == str(kernel)
    assert "freshly booted" in described["sources"]["loaded"]
    assert printed["results"][0]["kernel"] == str(kernel)


def test_a_debian_package_is_a_kernel(
    capsys: pytest.CaptureFixture[str], kernel: Path, real_module: Path, tmp_path: Path
) -> None:
    if not shutil.which("dpkg-deb"):
        pytest.skip("apt-get install dpkg")
    root = tmp_path / "root"
    for name, content in {
        "DEBIAN/control": b"Package: k\nVersion: 1\nArchitecture: all\nMaintainer: x <x@x.org>\nDescription: x\n",
        f"boot/vmlinuz-{RELEASE}": kernel.read_bytes(),
    }.items():
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(content)
    deb = tmp_path / "linux-image.deb"
    subprocess.run(["dpkg-deb", "-b", root, deb], check=True, stdout=subprocess.DEVNULL)
    for _ in range(2):  # the second time from the cache
        status, printed = checked(capsys, real_module, "--kernel", deb)
        assert status == 1
        assert (printed["kernels"][0]["name"], printed["kernels"][0]["release"]) == (str(deb), RELEASE)


def test_packages_are_unpacked_in_a_cache_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else could have put another kernel where the package was unpacked once."""
    cache, package = tmp_path / "own", tmp_path / "kernel.deb"
    monkeypatch.setenv("PYINSMOD_CACHE", str(cache))
    package.write_bytes(b"no package")
    with pytest.raises(UsageError, match="no package"):
        unpacked_package(str(package))
    assert cache.stat().st_mode & 0o777 == 0o700
    cache.chmod(0o777)
    with pytest.raises(KernelUnavailable, match="can be written by others"):
        unpacked_package(str(package))


def test_each_file_is_held_against_each_kernel(
    capsys: pytest.CaptureFixture[str], kernel: Path, real_module: Path, tmp_path: Path
) -> None:
    other = kernel.with_name("other")
    other.write_bytes(kernel.read_bytes())
    (tmp_path / "m.ko").write_bytes(b"")
    _, printed = checked(
        capsys, tmp_path / "m.ko", real_module, "--kernel", kernel, "--kernel", other, "--kernel", kernel
    )
    asked = [(Path(result["file"]).name, Path(result["kernel"]).name) for result in printed["results"]]
    names = (kernel.name, other.name)
    assert asked == [(file, name) for file in ("m.ko", real_module.name) for name in names]


def test_the_text_names_the_kernel_when_there_are_several(
    capsys: pytest.CaptureFixture[str], kernel: Path, tmp_path: Path
) -> None:
    (tmp_path / "m.ko").write_bytes(b"")
    other = kernel.with_name("other")
    other.write_bytes(kernel.read_bytes())
    assert main(["check", str(tmp_path / "m.ko"), "--kernel", str(kernel)]) == 1
    assert " on " not in capsys.readouterr().out
    assert main(["check", str(tmp_path / "m.ko"), "--kernel", str(kernel), "--kernel", str(other)]) == 1
    assert f"m.ko on {other}: refused EINVAL" in capsys.readouterr().out


def test_a_kernel_of_the_store_and_its_release_are_the_same(
    capsys: pytest.CaptureFixture[str], kernel_tree: Path, real_module: Path
) -> None:
    release = next(kernel_tree.glob("lib/modules/*")).name
    status, printed = checked(capsys, real_module, "--kernel", "6.1", "--kernel", release)
    assert status == 0
    first, second = printed["kernels"]
    assert first == {**second, "name": "6.1"}
    assert [result["prediction"]["outcome"] for result in printed["results"]] == ["reaches-init"] * 2


def test_a_module_of_the_kernels_own_tree_is_named_when_it_would_be_needed(
    capsys: pytest.CaptureFixture[str], kernel_tree: Path
) -> None:
    module = next(kernel_tree.glob(f"lib/modules/*/kernel/{NEEDS_OTHERS}"))
    status, printed = checked(capsys, module, "--kernel", "6.1")
    assert (status, printed["results"][0]["prediction"]["errno"]) == (1, "ENOENT")
    summaries = [finding["summary"] for finding in printed["results"][0]["findings"]]
    assert any("'libcrc32c'" in summary for summary in summaries)
