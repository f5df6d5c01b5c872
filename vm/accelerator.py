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
from vm.cache import cache_root, insist_on_own, storage_errors_named, write_whole
from vm.errors import VmError
from vm.kernel_store import Kernel
from vm.machine import Machine

PROBE_SECONDS = 6.0  # with KVM a kernel prints its banner within one
PROBE_MEMORY_MIB = 256
ACCELERATORS = ("kvm", "tcg")
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
    host = _host(kernel.architecture)
    known = _answers().get(host)
    if known is not None:
        return known
    found = "kvm" if await _boots_with_kvm(kernel) else "tcg"
    insist_on_own(cache_root())
    with storage_errors_named():
        # Read again: another run may have found something out while this one waited for a machine.
        write_whole(_memory(), json.dumps({**_answers(), host: found}, indent=1).encode())
    return found


def _memory() -> Path:
    return cache_root() / "accelerator.json"


def _answers() -> dict[str, str]:
    """Return what was found out, without anything that is no answer: a damaged file is one that says nothing."""
    try:
        said = dict(json.loads(_memory().read_bytes()))
    except (OSError, ValueError, TypeError):
        return {}
    return {host: answer for host, answer in said.items() if answer in ACCELERATORS}


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
