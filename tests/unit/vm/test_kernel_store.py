from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from vm import kernel_store
from vm.errors import StoreBroken, UnknownKernel


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("PYINSMOD_CACHE", str(tmp_path))
    return tmp_path


def stored(cache: Path, image: bytes = b"kernel image") -> Path:
    root = cache / "kernels/6.1"
    (root / "boot").mkdir(parents=True)
    (root / "boot/vmlinuz-6.1.0-1-cloud-amd64").write_bytes(image)
    (root / "boot/config-6.1.0-1-cloud-amd64").write_bytes(b"CONFIG_MODULES=y\n")
    (root / "lib/modules/6.1.0-1-cloud-amd64").mkdir(parents=True)
    checksum = hashlib.sha256(b"kernel image").hexdigest()
    manifest = {
        "name": "6.1", "release": "6.1.0-1-cloud-amd64", "version": "6.1.1-1", "root": "",
        "packages": ["linux-image"], "vmlinuz_sha256": checksum, "modules_mib": 0,
    }  # fmt: skip
    (root / "manifest.json").write_text(json.dumps(manifest))
    return root


def test_an_unknown_name_lists_those_there_are() -> None:
    with pytest.raises(UnknownKernel, match=r"unknown kernel '9\.9'.*6\.1"):
        kernel_store.fetch("9.9")


def test_a_damaged_kernel_counts_as_not_fetched(own_cache: Path) -> None:
    stored(own_cache, image=b"kernel imagf")
    assert kernel_store.fetched("6.1") is None


def test_a_kernel_without_manifest_counts_as_not_fetched(own_cache: Path) -> None:
    (stored(own_cache) / "manifest.json").unlink()
    assert kernel_store.fetched("6.1") is None


def test_a_kernel_without_configuration_is_fetched_again(own_cache: Path) -> None:
    configuration = stored(own_cache) / "boot/config-6.1.0-1-cloud-amd64"
    configuration.write_bytes(b"")
    assert kernel_store.fetched("6.1") is None
    configuration.unlink()
    assert kernel_store.fetched("6.1") is None


def test_newer_packages_keep_the_configuration_beside_the_modules(own_cache: Path) -> None:
    root = stored(own_cache)
    beside = root / "usr/lib/modules/6.1.0-1-cloud-amd64/config"
    beside.parent.mkdir(parents=True)
    (root / "boot/config-6.1.0-1-cloud-amd64").rename(beside)
    assert kernel_store.fetch("6.1").configuration == beside


@pytest.mark.parametrize(
    "package",
    [
        "linux-image-6.1.0-50-cloud-amd64",
        "linux-base-7.2.13+deb14-cloud-amd64",
        "linux-binary-7.2.13+deb14-cloud-amd64",
        "linux-modules-7.2.13+deb14-cloud-amd64",
    ],
)
def test_packages_of_one_release_are_the_kernel(package: str) -> None:
    assert kernel_store.KERNEL_PACKAGES.match(package)


@pytest.mark.parametrize(
    "package", ["linux-base", "linux-base-cloud-amd64", "linux-image-cloud-amd64", "linux-libc-dev"]
)
def test_packages_that_only_name_others_are_not(package: str) -> None:
    assert not kernel_store.KERNEL_PACKAGES.match(package)


def test_a_whole_kernel_is_found_by_name_and_by_release(own_cache: Path) -> None:
    stored(own_cache)
    kernel = kernel_store.fetch("6.1")
    assert kernel.release == "6.1.0-1-cloud-amd64"
    assert kernel_store.fetch("6.1.0-1-cloud-amd64") == kernel
    assert kernel.modules.name == kernel.release


def test_newer_packages_keep_the_image_beside_the_modules(tmp_path: Path) -> None:
    image = tmp_path / "usr/lib/modules/7.2/vmlinuz"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"x")
    assert kernel_store.find_vmlinuz(tmp_path) == image


def test_a_package_without_an_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreBroken, match="holds no vmlinuz"):
        kernel_store.find_vmlinuz(tmp_path)
