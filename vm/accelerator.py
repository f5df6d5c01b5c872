"""Which accelerator really runs guests here: tried once by booting for a moment, then remembered.

/dev/kvm may exist, open and answer, and still never run a guest, so neither the file's presence nor
QEMU's own fallback (`-accel kvm:tcg`) is a test.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
from pathlib import Path

from vm import qemu
from vm.architectures import Architecture, native
from vm.cache import cache_root
from vm.errors import VmError
from vm.kernel_store import Kernel
from vm.machine import Machine

PROBE_SECONDS = 6.0  # with KVM a kernel prints its banner within one
PROBE_MEMORY_MIB = 256
ACCELERATOR_VARIABLE = "PYINSMOD_ACCELERATOR"


async def usable_accelerator(kernel: Kernel) -> str:
    """Return `kvm` where it runs `kernel`, else `tcg`; `$PYINSMOD_ACCELERATOR` decides without a probe.

    KVM runs what the host's own processor runs; another architecture is emulated, whatever anybody chose.
    """
    if kernel.machine != native():
        return "tcg"
    chosen = os.environ.get(ACCELERATOR_VARIABLE)
    if chosen:
        return chosen
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    memory, answers = cache_root() / "accelerator.json", _answers()
    host = _host(kernel.architecture)
    if host not in answers:
        answers[host] = "kvm" if await _boots_with_kvm(kernel) else "tcg"
        memory.parent.mkdir(parents=True, exist_ok=True)
        memory.write_text(json.dumps(answers, indent=1))
    return answers[host]


def _answers() -> dict[str, str]:
    try:
        return dict(json.loads((cache_root() / "accelerator.json").read_text()))
    except (OSError, ValueError):
        return {}


def _host(architecture: Architecture) -> str:
    """Return what the answer depends on: the host's kernel and the emulator's build."""
    return f"{platform.release()} {int(qemu.emulator_path(architecture).stat().st_mtime)}"


async def _boots_with_kvm(kernel: Kernel) -> bool:
    hardware = qemu.Hardware(kernel.architecture, "kvm", PROBE_MEMORY_MIB)
    arguments = [
        *qemu.machine_arguments(hardware),
        *("-object", f"memory-backend-ram,id=memory,size={PROBE_MEMORY_MIB}M"),
        *qemu.boot_arguments(hardware, kernel.vmlinuz, Path(os.devnull)),
    ]
    deadline = asyncio.get_running_loop().time() + PROBE_SECONDS
    try:
        async with Machine(kernel.architecture, arguments) as machine:
            while asyncio.get_running_loop().time() < deadline:
                if any("Linux version" in line for line in machine.last_words):
                    return True
                await asyncio.sleep(0.05)
    except VmError:
        return False
    return False
