from __future__ import annotations

import asyncio
import os
import random
import signal
from pathlib import Path

import pytest

from vm import qemu
from vm.architectures import ARCHITECTURES, Architecture
from vm.errors import MissingTool
from vm.qemu import Hardware

X86 = ARCHITECTURES["x86_64"]


@pytest.mark.parametrize(
    ("machine", "emulator", "package"),
    [
        ("x86_64", "qemu-system-x86_64", "qemu-system-x86"),
        ("aarch64", "qemu-system-aarch64", "qemu-system-arm"),
        ("riscv64", "qemu-system-riscv64", "qemu-system-misc opensbi"),
    ],
)
def test_a_missing_emulator_is_one_apt_line(
    machine: str, emulator: str, package: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match=f"^{emulator} is not installed: sudo apt-get install {package}$"):
        qemu.emulator_path(ARCHITECTURES[machine])


def test_a_machine_is_booted_with_the_words_of_whoever_wants_some() -> None:
    usual = qemu.command_line(Hardware(X86, "tcg", 512))
    assert usual.startswith("console=ttyS0 ")
    assert usual == usual.strip()
    asked = Hardware(X86, "tcg", 512, "module.sig_enforce=1 quiet")
    assert qemu.command_line(asked) == f"{usual} module.sig_enforce=1 quiet"
    arguments = qemu.boot_arguments(asked, Path("/k"), Path("/i"))
    assert arguments[arguments.index("-append") + 1] == qemu.command_line(asked)


def test_one_that_ends_by_itself_while_it_is_killed_has_a_status_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    emulator = tmp_path / X86.emulator
    emulator.write_text("#!/bin/sh\nexit 7\n")
    emulator.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    async def status() -> int:
        process = await qemu.start(X86, [])
        while process.process.returncode is None:
            await asyncio.sleep(0)
            if random.random() < 0.01:
                process.kill()
        process.close()
        process.kill()  # nobody is hit
        return process.process.returncode

    assert {asyncio.run(status()) for _ in range(30)} <= {7, -signal.SIGKILL}
    assert "Unknown child process" not in caplog.text


def test_a_restored_machine_never_writes_its_snapshot() -> None:
    arguments = qemu.memory_arguments(Hardware(X86, "tcg", 512), Path("/cache/memory"), private=True)
    assert "share=off" in arguments[-1]


@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=lambda one: one.name)
def test_a_guest_has_neither_network_nor_disk_nor_display(architecture: Architecture) -> None:
    arguments = qemu.machine_arguments(Hardware(architecture, "tcg", 512))
    assert {"-nodefaults", "-no-user-config"} <= set(arguments)
    assert not {"-nic", "-net", "-netdev", "-drive", "-hda", "-virtfs", "-fsdev", "-usb"} & set(arguments)
    assert arguments[arguments.index("-display") + 1] == "none"


def test_commas_in_a_path_do_not_become_options() -> None:
    arguments = qemu.memory_arguments(Hardware(X86, "tcg", 512), Path("/a,b/memory"), private=False)
    assert "mem-path=/a,,b/memory" in arguments[-1]


@pytest.mark.parametrize(
    ("machine", "accelerator", "processor"),
    [("x86_64", "tcg", "max,cx16=off"), ("x86_64", "kvm", "host"), ("aarch64", "kvm", "host")],
)
def test_each_accelerator_has_its_processor(machine: str, accelerator: str, processor: str) -> None:
    arguments = qemu.machine_arguments(Hardware(ARCHITECTURES[machine], accelerator, 512))
    assert arguments[arguments.index("-cpu") + 1] == processor
