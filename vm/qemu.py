"""QEMU's command line, put together by small named functions, and the process it becomes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
from dataclasses import dataclass
from pathlib import Path

from vm.architectures import Architecture
from vm.errors import MissingTool

KERNEL_COMMAND_LINE = "console={console} panic=-1 loglevel=6 random.trust_cpu=on"


@dataclass(frozen=True)
class Hardware:
    """What the machine is made of; part of a snapshot's identity.

    Attributes:
        architecture: what it emulates.
        accelerator: `tcg` or `kvm`.
        memory_mib: size of the guest's memory.
        parameters: words for the kernel's command line, behind those every machine has.
    """

    architecture: Architecture
    accelerator: str
    memory_mib: int
    parameters: str = ""


def emulator_path(architecture: Architecture) -> Path:
    """Return QEMU's path or say how to get it."""
    found = shutil.which(architecture.emulator)
    if not found:
        raise MissingTool(f"{architecture.emulator} is not installed: sudo apt-get install {architecture.package}")
    return Path(found)


def machine_arguments(hardware: Hardware) -> list[str]:
    """Return the machine and its processor."""
    accelerator = {"tcg": "tcg,thread=multi", "kvm": "kvm"}[hardware.accelerator]
    processor = hardware.architecture.processors[hardware.accelerator]
    return [
        "-machine", f"{hardware.architecture.machine},memory-backend=memory", "-accel", accelerator, "-cpu", processor,
        "-m", f"{hardware.memory_mib}M", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
    ]  # fmt: skip


def memory_arguments(hardware: Hardware, file: Path, *, private: bool) -> list[str]:
    """Return the memory: the file itself while a snapshot is made, a copy-on-write view of it afterwards."""
    share = "off" if private else "on"
    backend = f"memory-backend-file,id=memory,size={hardware.memory_mib}M,mem-path={_escaped(file)},share={share}"
    return ["-object", backend]


def boot_arguments(hardware: Hardware, vmlinuz: Path, initramfs: Path) -> list[str]:
    """Return what is booted."""
    return ["-kernel", str(vmlinuz), "-initrd", str(initramfs), "-append", command_line(hardware)]


def command_line(hardware: Hardware) -> str:
    """Return the words the kernel is booted with."""
    return f"{KERNEL_COMMAND_LINE.format(console=hardware.architecture.console)} {hardware.parameters}".rstrip()


def console_arguments(descriptor: int) -> list[str]:
    """Return the first serial port, on an inherited socket."""
    return ["-chardev", f"socket,id=console,fd={descriptor}", "-serial", "chardev:console"]


def channel_arguments(architecture: Architecture, descriptor: int) -> list[str]:
    """Return the serial port of the agent, on an inherited socket."""
    return ["-chardev", f"socket,id=channel,fd={descriptor}", *architecture.channel_device]


def monitor_arguments(descriptor: int) -> list[str]:
    """Return the QMP monitor on an inherited socket."""
    return ["-chardev", f"socket,id=monitor,fd={descriptor}", "-mon", "chardev=monitor,mode=control"]


@dataclass
class QemuProcess:
    """A running QEMU and our ends of its three sockets; nothing of it has a name on disk.

    Attributes:
        process: whom to wait for.
        handle: its descriptor (pidfd_open(2)); None if it had ended before there was one.
        console, channel, monitor: the sockets.
    """

    process: asyncio.subprocess.Process
    handle: int | None
    console: socket.socket
    channel: socket.socket
    monitor: socket.socket

    def kill(self) -> None:
        """End it at once, if it has not ended yet.

        asyncio's `kill` asks first whether it has, and so takes its end away from who waits for that: an "unknown child
        process", says asyncio then, and that its status is 255.
        """
        if self.handle is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.handle, signal.SIGKILL)

    def close(self) -> None:
        """Close our ends; nothing more can be done with it then."""
        for end in (self.console, self.channel, self.monitor):
            with contextlib.suppress(OSError):
                end.close()
        if self.handle is not None:
            os.close(self.handle)
            self.handle = None


async def start(architecture: Architecture, arguments: list[str]) -> QemuProcess:
    """Start QEMU so that it dies with this process, even on SIGKILL (prctl(2), PR_SET_PDEATHSIG).

    The signal comes when the *thread* that started it ends, so call this from the main thread.
    """
    pairs = [socket.socketpair() for _ in range(3)]
    console, channel, monitor = (theirs.fileno() for _, theirs in pairs)
    command = [
        "setpriv", "--pdeathsig", "KILL", "--", str(emulator_path(architecture)), *arguments,
        *console_arguments(console), *channel_arguments(architecture, channel), *monitor_arguments(monitor),
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
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        handle = None
    return QemuProcess(process, handle, *(ours for ours, _ in pairs))


def _escaped(path: Path) -> str:
    return str(path).replace(",", ",,")  # QEMU's option syntax
