from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest

from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.kernel_files import KernelFiles, installed_kernel, kernel_files

Plant = Callable[..., Path]


@pytest.fixture
def plant(tmp_path: Path) -> Plant:
    """A function that makes empty files, and returns the folder they are below."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"")
        return tmp_path

    return make


def found(root: Path, path: str = "") -> dict[str, str]:
    """Return what is found, without the root and without what is not there."""
    files = kernel_files(str(root / path) if path else str(root))
    return {name: value.removeprefix(f"{root}/") for name, value in files._asdict().items() if value}


def test_no_such_path_is_a_line() -> None:
    with pytest.raises(UsageError, match="neither a file nor a folder"):
        kernel_files("/nonexistent/vmlinuz")


def test_a_folder_without_a_kernel_is_a_line(plant: Plant) -> None:
    with pytest.raises(UsageError, match="no boot image, modules or headers"):
        kernel_files(str(plant("README", "boot/grub/grub.cfg", "usr/src/thing/Makefile")))


def test_of_several_kernels_one_has_to_be_named(plant: Plant) -> None:
    with pytest.raises(UsageError, match=r"6\.1, 6\.2"):
        kernel_files(str(plant("boot/vmlinuz-6.1", "lib/modules/6.2/modules.order")))


def test_an_unpacked_package_of_before_7_0(plant: Plant) -> None:
    root = plant("boot/vmlinuz-6.1", "boot/config-6.1", "boot/System.map-6.1", "lib/modules/6.1/modules.order")
    expected = {
        "release": "6.1",
        "image": "boot/vmlinuz-6.1",
        "modules": "lib/modules/6.1",
        "config": "boot/config-6.1",
    }
    assert found(root) == expected
    assert found(root, "boot/vmlinuz-6.1") == expected
    assert found(root, "lib/modules/6.1") == expected


def test_an_unpacked_package_that_has_all_below_usr(plant: Plant) -> None:
    root = plant("usr/lib/modules/7.2/vmlinuz", "usr/lib/modules/7.2/config", "usr/lib/modules/7.2/modules.order")
    expected = {
        "release": "7.2",
        "image": "usr/lib/modules/7.2/vmlinuz",
        "modules": "usr/lib/modules/7.2",
        "config": "usr/lib/modules/7.2/config",
    }
    assert found(root) == expected
    assert found(root, "usr/lib/modules/7.2") == expected
    assert found(root, "usr/lib/modules/7.2/vmlinuz") == expected


@pytest.mark.parametrize("mark", ["Module.symvers", "include/generated/utsrelease.h", "include/config/kernel.release"])
def test_a_folder_of_headers(plant: Plant, mark: str) -> None:
    root = plant(mark, ".config")
    assert found(root) == {"headers": str(root), "config": ".config"}


def test_the_folder_a_kernel_was_built_in_has_its_image(plant: Plant) -> None:
    assert found(plant("Module.symvers", "arch/x86/boot/bzImage"))["image"] == "arch/x86/boot/bzImage"


def test_headers_of_an_unpacked_package(plant: Plant) -> None:
    root = plant("usr/src/linux-headers-6.1/Module.symvers", "usr/src/linux-headers-6.1/.config")
    assert found(root) == {
        "release": "6.1",
        "headers": "usr/src/linux-headers-6.1",
        "config": "usr/src/linux-headers-6.1/.config",
    }


def test_a_link_that_leads_out_of_an_unpacked_package_is_not_followed(plant: Plant) -> None:
    root = plant("lib/modules/6.1/modules.order", "elsewhere/Module.symvers")
    (root / "lib/modules/6.1/build").symlink_to(root / "elsewhere")
    assert "headers" not in found(root)


def test_a_file_by_itself_is_a_boot_image(plant: Plant) -> None:
    assert found(plant("kernel.img"), "kernel.img") == {"image": "kernel.img"}


def test_a_kernel_that_is_not_installed_is_none(tmp_path: Path) -> None:
    assert installed_kernel("6.1", str(tmp_path)) is None


def test_an_installed_kernel_is_named_by_its_release_alone(plant: Plant) -> None:
    root = plant("boot/vmlinuz-6.1", "boot/vmlinuz-6.2", "lib/modules/6.1/modules.order")
    assert installed_kernel("6.1", str(root)) == KernelFiles(
        "6.1", f"{root}/boot/vmlinuz-6.1", f"{root}/lib/modules/6.1", "", ""
    )


LINE = b"0x1\tkfree\tvmlinux\tEXPORT_SYMBOL\t\n"


def test_an_unpacked_package_of_fedora(plant: Plant) -> None:
    names = ("vmlinuz", "System.map", "config", "symvers.xz", "modules.order")
    root = plant(*(f"lib/modules/6.1.fc/{name}" for name in names), "usr/src/kernels/6.1.fc/.config")
    place = "lib/modules/6.1.fc"
    assert found(root) == {
        "release": "6.1.fc",
        "image": f"{place}/vmlinuz",
        "modules": place,
        "headers": "usr/src/kernels/6.1.fc",
        "config": f"{place}/config",
        "symvers": f"{place}/symvers.xz",
    }
    (root / "usr/src/kernels/6.1.fc/Module.symvers").write_bytes(LINE)
    assert "symvers" not in found(root)


def test_the_headers_of_fedora_alone(plant: Plant) -> None:
    root = plant("usr/src/kernels/6.1.fc/Module.symvers")
    assert found(root) == {"release": "6.1.fc", "headers": "usr/src/kernels/6.1.fc"}


def test_the_headers_of_opensuse_say_their_release_inside(plant: Plant) -> None:
    place = "usr/src/linux-6.4-obj/x86_64/default"
    root = plant(f"{place}/Module.symvers", f"{place}/.config", f"{place}/include/config/kernel.release")
    (root / place / "include/config/kernel.release").write_text("6.4-default\n")
    assert found(root) == {"release": "6.4-default", "headers": place, "config": f"{place}/.config"}


@pytest.mark.parametrize("packing", [bytes, gzip.compress, lzma.compress])
def test_a_list_of_exports_by_itself(plant: Plant, packing: Callable[[bytes], bytes]) -> None:
    root = plant("there/symvers-6.1")
    (root / "there/symvers-6.1").write_bytes(packing(LINE))
    assert found(root, "there/symvers-6.1") == {"symvers": "there/symvers-6.1"}


def test_a_list_of_exports_in_boot_belongs_to_the_kernel_beside_it(plant: Plant) -> None:
    root = plant("boot/symvers-6.1.gz", "boot/vmlinuz-6.1")
    (root / "boot/symvers-6.1.gz").write_bytes(gzip.compress(LINE))
    assert found(root, "boot/symvers-6.1.gz") == found(root)
    assert found(root)["symvers"] == "boot/symvers-6.1.gz"


def test_a_file_called_otherwise_is_known_by_its_first_line(plant: Plant) -> None:
    root = plant("exports.txt")
    (root / "exports.txt").write_bytes(LINE)
    assert found(root, "exports.txt") == {"symvers": "exports.txt"}


def test_module_symvers_stands_for_the_headers_around_it(plant: Plant) -> None:
    root = plant("Module.symvers", ".config")
    (root / "Module.symvers").write_bytes(LINE)
    assert found(root, "Module.symvers") == {"headers": str(root), "config": ".config", "symvers": "Module.symvers"}


@pytest.mark.parametrize("content", [b"", b"nothing\n", b"\x1f\x8bdamaged"])
def test_what_is_called_like_a_list_of_exports_and_is_none(plant: Plant, content: bytes) -> None:
    root = plant("Module.symvers")
    (root / "Module.symvers").write_bytes(content)
    with pytest.raises(UsageError, match=r"Module.symvers: [^\n]+$"):
        kernel_files(str(root / "Module.symvers"))


def test_addresses_alone_are_no_kernel_and_what_to_name_is_said(plant: Plant) -> None:
    with pytest.raises(UsageError, match="name the vmlinux or Module"):
        kernel_files(str(plant("boot/System.map-6.1") / "boot/System.map-6.1"))


@pytest.mark.parametrize("more", [(), ("System.map",)])
def test_the_vmlinux_of_a_build_has_its_headers_around_it(plant: Plant, more: tuple[str, ...]) -> None:
    root = plant("vmlinux", "Module.symvers", ".config", *more)
    assert found(root, "vmlinux") == {"image": "vmlinux", "headers": str(root), "config": ".config"}
