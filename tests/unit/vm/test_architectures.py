from __future__ import annotations

import asyncio
import platform
from pathlib import Path

import pytest

from vm import catalogue
from vm.accelerator import usable_accelerator
from vm.architectures import ARCHITECTURES, native
from vm.catalogue import (
    FOREIGN_PROGRAMS,
    KERNELS,
    default_kernel,
    foreign_programs,
    kernel_of_series,
    native_kernels,
    userland_suite,
)
from vm.errors import StoreBroken
from vm.image import _applets
from vm.kernel_store import Kernel


def test_every_kernel_of_the_catalogue_has_an_architecture_there_is_a_row_for() -> None:
    assert {source.architecture for source in KERNELS.values()} == set(ARCHITECTURES)
    assert all(source.package.endswith(ARCHITECTURES[source.architecture].debian) for source in KERNELS.values())


@pytest.mark.parametrize(
    ("host", "machine"), [("x86_64", "x86_64"), ("AMD64", "x86_64"), ("aarch64", "aarch64"), ("arm64", "aarch64")]
)
def test_all_kernels_are_those_of_the_host(host: str, machine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: host)
    assert native() == machine
    assert {KERNELS[name].architecture for name in native_kernels()} == {machine}
    assert default_kernel() == kernel_of_series("6.1", machine)


def test_a_host_without_kernels_of_its_own_emulates_those_of_x86(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "loongarch64")
    assert default_kernel() == "6.1"


def test_the_kernel_that_is_meant_is_the_oldest_where_there_is_none_of_that_series(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert default_kernel() == native_kernels()[0] == "6.12-riscv64"


def test_an_architecture_has_no_userland_and_no_programs_from_before_it_was_there() -> None:
    assert userland_suite(ARCHITECTURES["x86_64"]) == "bookworm"
    assert set(foreign_programs(ARCHITECTURES["x86_64"])) == set(FOREIGN_PROGRAMS)
    assert userland_suite(ARCHITECTURES["riscv64"]) == "trixie"
    of_riscv64 = foreign_programs(ARCHITECTURES["riscv64"])
    assert "kmod-34" in of_riscv64
    assert "kmod-28" not in of_riscv64


def test_a_series_is_looked_for_on_the_architecture_asked_for() -> None:
    assert kernel_of_series("6.12", "aarch64") == "6.12-arm64"
    assert kernel_of_series("6.12", "x86_64") == "6.12"
    assert kernel_of_series("5.10", "riscv64") is None
    assert catalogue.KERNELS["6.12-arm64"].architecture == "aarch64"


@pytest.mark.parametrize("accelerator", [None, "kvm"])
def test_another_architecture_is_emulated_whatever_was_chosen(
    accelerator: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KVM runs the instructions of the host's own processor."""
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    if accelerator:
        monkeypatch.setenv("PYINSMOD_ACCELERATOR", accelerator)
    kernel = Kernel("6.12-arm64", "6.12", "1", Path("/nowhere"), (), "", 0, "aarch64")
    assert asyncio.run(usable_accelerator(kernel)) == "tcg"


def test_the_applets_of_a_busybox_are_read_from_its_bytes() -> None:
    """It may be one this host cannot run; the real one is compared with its own list by a machine test."""
    program = b"\x7fELF [\0no\0\0" + b"[\0[[\0acpid\0ar\0zcat\0" + b"\0\1\2"
    assert _applets(program) == ["[", "[[", "acpid", "ar", "zcat"]


def test_a_busybox_without_names_is_a_broken_store() -> None:
    with pytest.raises(StoreBroken, match="names no applets"):
        _applets(b"\x7fELF" + bytes(100))
