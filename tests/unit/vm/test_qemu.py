from __future__ import annotations

from pathlib import Path

import pytest

from vm import qemu
from vm.errors import MissingTool
from vm.qemu import Hardware


def test_a_missing_emulator_is_one_apt_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingTool, match="sudo apt-get install qemu-system-x86"):
        qemu.emulator_path()


def test_a_restored_machine_never_writes_its_snapshot() -> None:
    arguments = qemu.memory_arguments(Hardware("tcg", 512), Path("/cache/memory"), private=True)
    assert "share=off" in arguments[-1]


def test_commas_in_a_path_do_not_become_options() -> None:
    arguments = qemu.memory_arguments(Hardware("tcg", 512), Path("/a,b/memory"), private=False)
    assert "mem-path=/a,,b/memory" in arguments[-1]


@pytest.mark.parametrize(("accelerator", "processor"), [("tcg", "max,cx16=off"), ("kvm", "host")])
def test_each_accelerator_has_its_processor(accelerator: str, processor: str) -> None:
    arguments = qemu.machine_arguments(Hardware(accelerator, 512))
    assert arguments[arguments.index("-cpu") + 1] == processor
