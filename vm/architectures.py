"""What an architecture is to a machine: one row each. Adding one is adding a row, and kernels to the catalogue."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass

SERIAL_PORT = ("-serial", "chardev:channel")


@dataclass(frozen=True)
class Architecture:
    """An architecture whose kernels can be had and run.

    Attributes:
        name: what `uname -m` says there.
        debian: what Debian calls it.
        multiarch: the folder of its libraries.
        emulator: QEMU's program.
        package: the Debian package that brings it, and that of the firmware it starts, as apt-get takes them.
        machine: QEMU's machine type, with its properties.
        processors: accelerator → processor: `max` is all that the emulation has, `host` all KVM has.
        console: the serial port whose output is the kernel's console.
        channel: the serial port of the agent, as a device of the guest.
        channel_device: how QEMU connects its chardev `channel` with that port.
        halted: what QEMU's monitor is asked, and what it says of a processor with nothing to do; `{pc}` is the place
            that is at.
        since: the first Debian suite that has it; older ones are passed over.
    """

    name: str
    debian: str
    multiarch: str
    emulator: str
    package: str
    machine: str
    processors: Mapping[str, str]
    console: str
    channel: str
    channel_device: tuple[str, ...]
    halted: tuple[str, str]
    since: str = "bullseye"


ARCHITECTURES = {
    row.name: row
    for row in (
        Architecture(
            name="x86_64",
            debian="amd64",
            multiarch="x86_64-linux-gnu",
            emulator="qemu-system-x86_64",
            package="qemu-system-x86",
            machine="q35",
            # QEMU 7.2 emulates cmpxchg16b, which the allocator of 6.12 leans on, but leaves rubbish in the flags: one
            # guest in twenty died of a double fault in code that had done nothing wrong. Kernels do without it.
            processors={"tcg": "max,cx16=off", "kvm": "host"},
            console="ttyS0",
            channel="/dev/ttyS1",
            channel_device=SERIAL_PORT,
            halted=("info registers", "HLT=1"),
        ),
        Architecture(
            name="aarch64",
            debian="arm64",
            multiarch="aarch64-linux-gnu",
            emulator="qemu-system-aarch64",
            package="qemu-system-arm",
            machine="virt,gic-version=max",
            # Pointers are signed by a cheap hash: the algorithm of the architecture takes more than all the rest.
            processors={"tcg": "max,pauth-impdef=on", "kvm": "host"},
            console="ttyAMA0",
            # `virt` has one serial port that kernels see.
            channel="/dev/ttyS0",
            channel_device=("-device", "pci-serial,chardev=channel"),
            # wfi, the instruction before the one that is next.
            halted=("x /1wx 0x{pc}-4", "0xd503207f"),
        ),
        Architecture(
            name="riscv64",
            debian="riscv64",
            multiarch="riscv64-linux-gnu",
            emulator="qemu-system-riscv64",
            package="qemu-system-misc opensbi",
            machine="virt",
            processors={"tcg": "rv64", "kvm": "host"},
            console="ttyS0",
            # `virt` has one serial port.
            channel="/dev/ttyS1",
            channel_device=("-device", "pci-serial,chardev=channel"),
            # wfi, the instruction before the one that is next.
            halted=("x /1wx 0x{pc}-4", "0x10500073"),
            since="trixie",
        ),
    )
}


def native() -> str:
    """Return this host's own architecture, in the words of the table; of another one, what the system calls it."""
    machine = platform.machine()
    return {"arm64": "aarch64", "amd64": "x86_64"}.get(machine.lower(), machine)
