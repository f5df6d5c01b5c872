"""QEMU's command line, put together by small named functions, and the process it becomes."""

from __future__ import annotations

import asyncio
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from vm.errors import MissingTool

EMULATOR = "qemu-system-x86_64"
KERNEL_COMMAND_LINE = "console=ttyS0 panic=-1 loglevel=6 random.trust_cpu=on"


@dataclass(frozen=True)
class Hardware:
    """What the machine is made of; part of a snapshot's identity.

    Attributes:
        accelerator: `tcg` or `kvm`.
        memory_mib: size of the guest's memory.
    """

    accelerator: str
    memory_mib: int


def emulator_path() -> Path:
    """Return QEMU's path or say how to get it."""
    found = shutil.which(EMULATOR)
    if not found:
        raise MissingTool(f"{EMULATOR} is not installed: sudo apt-get install qemu-system-x86")
    return Path(found)


def machine_arguments(hardware: Hardware) -> list[str]:
    """Return the machine and its processor; `max` is all that the emulation has, `host` all KVM has.

    QEMU 7.2 emulates cmpxchg16b, which the allocator of 6.12 leans on, but leaves rubbish in the flags: one guest in
    twenty died of a double fault in code that had done nothing wrong. Kernels do without that instruction.
    """
    accelerator = {"tcg": "tcg,thread=multi", "kvm": "kvm"}[hardware.accelerator]
    processor = {"tcg": "max,cx16=off", "kvm": "host"}[hardware.accelerator]
    return [
        "-machine", "q35,memory-backend=memory", "-accel", accelerator, "-cpu", processor,
        "-m", f"{hardware.memory_mib}M", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
    ]  # fmt: skip


def memory_arguments(hardware: Hardware, file: Path, *, private: bool) -> list[str]:
    """Return the memory: the file itself while a snapshot is made, a copy-on-write view of it afterwards."""
    share = "off" if private else "on"
    backend = f"memory-backend-file,id=memory,size={hardware.memory_mib}M,mem-path={_escaped(file)},share={share}"
    return ["-object", backend]


def boot_arguments(vmlinuz: Path, initramfs: Path) -> list[str]:
    """Return what is booted."""
    return ["-kernel", str(vmlinuz), "-initrd", str(initramfs), "-append", KERNEL_COMMAND_LINE]


def serial_arguments(name: str, descriptor: int) -> list[str]:
    """Return one serial port on an inherited socket; the first given is ttyS0."""
    return ["-chardev", f"socket,id={name},fd={descriptor}", "-serial", f"chardev:{name}"]


def monitor_arguments(descriptor: int) -> list[str]:
    """Return the QMP monitor on an inherited socket."""
    return ["-chardev", f"socket,id=monitor,fd={descriptor}", "-mon", "chardev=monitor,mode=control"]


@dataclass
class QemuProcess:
    """A running QEMU and our ends of its three sockets; nothing of it has a name on disk."""

    process: asyncio.subprocess.Process
    console: socket.socket
    channel: socket.socket
    monitor: socket.socket


async def start(arguments: list[str]) -> QemuProcess:
    """Start QEMU so that it dies with this process, even on SIGKILL (prctl(2), PR_SET_PDEATHSIG).

    The signal comes when the *thread* that started it ends, so call this from the main thread.
    """
    pairs = [socket.socketpair() for _ in range(3)]
    console, channel, monitor = (theirs.fileno() for _, theirs in pairs)
    command = [
        "setpriv", "--pdeathsig", "KILL", "--", str(emulator_path()), *arguments,
        *serial_arguments("console", console), *serial_arguments("channel", channel),
        *monitor_arguments(monitor),
    ]  # fmt: skip
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            pass_fds=(console, channel, monitor),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,  # ^C is ours to handle, in order
        )
    except FileNotFoundError as failure:
        raise MissingTool("setpriv is not installed: sudo apt-get install util-linux") from failure
    finally:
        for _, theirs in pairs:
            theirs.close()
    return QemuProcess(process, *(ours for ours, _ in pairs))


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")  # QEMU's option syntax
