"""The machine the loads were made on, and the versions of what made them: what a page of results has to say."""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from textwrap import wrap

from vm.accelerator import usable_accelerator
from vm.kernel_store import Kernel
from vm.qemu import emulator_path

_WIDTH = 118
_ACCELERATORS = {"tcg": "by emulation (TCG)", "kvm": "with KVM"}


def where(kernels: Sequence[Kernel]) -> str:
    """Return the paragraph about machine and versions."""
    host = f"{platform.machine()}, {os.cpu_count()} processors ({_model()})"
    machines = "; ".join(_emulators(kernels))
    packages = ", ".join(f"{kernel.name} is {kernel.version}" for kernel in kernels)
    text = f"Machine: {host}; {machines}; Python {platform.python_version()}. Debian's packages: {packages}."
    return "\n".join(wrap(text, _WIDTH, break_on_hyphens=False)) + "\n"


def _model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "of no known model"
    )


def _emulators(kernels: Iterable[Kernel]) -> Iterator[str]:
    for machine in dict.fromkeys(kernel.machine for kernel in kernels):
        kernel = next(kernel for kernel in kernels if kernel.machine == machine)
        command = (emulator_path(kernel.architecture), "--version")
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        accelerator = asyncio.run(usable_accelerator(kernel))
        yield f"{machine} by {said.splitlines()[0]}, {_ACCELERATORS.get(accelerator, accelerator)}"
