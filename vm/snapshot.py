"""Snapshots: boot once per kernel and image, then every command gets a fresh copy in a fraction of a second.

A snapshot is two files: the guest's memory, and the state of its devices (QMP `migrate` with
`x-ignore-shared`, so that the memory is not written twice). A restored machine maps the memory file
copy-on-write: nothing is read before it is touched, pages are shared between machines side by side, and
the file is never changed.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from vm import qemu
from vm.accelerator import usable_accelerator
from vm.cache import built_whole, cache_root, locked, storage_errors_named
from vm.errors import GuestHung, MachineLost
from vm.guest import frames
from vm.image import Image
from vm.kernel_store import Kernel
from vm.machine import Machine

BOOT_SECONDS = 900.0  # ten times what an idle host takes that emulates another processor
# A guest that has nothing to do is idle nearly always; one that is not within seconds is taken as it is.
IDLE_ATTEMPTS, IDLE_SECONDS = 100, 0.05
BOOT_ATTEMPTS = 2  # QEMU has been seen to die early under TCG for no visible reason
KEPT_PER_KERNEL = 4  # older snapshots of a kernel, two of each kind, are dropped when a new one is made
WRITTEN_SECONDS = 30.0
LEAST_ROOM = 1 << 20  # with less than this on the disk, bytes, it counts as full
CAPABILITIES = [{"capability": "x-ignore-shared", "state": True}]
PLACE = re.compile(r"\bpc(?:=| +)([0-9a-f]+)", re.IGNORECASE)
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Snapshot:
    """A guest frozen right before its first command."""

    folder: Path
    hardware: qemu.Hardware

    @property
    def memory(self) -> Path:
        """The guest's memory."""
        return self.folder / "memory"

    @property
    def devices(self) -> Path:
        """QEMU's migration stream without the memory."""
        return self.folder / "devices"

    @property
    def is_whole(self) -> bool:
        """Whether it is there as it was made. The memory is too large to be read each time: its size has to do."""
        try:
            return (self.folder / "seal").read_text() == self._seal()
        except OSError:
            return False

    def seal(self) -> None:
        """Note what it is, for `is_whole`."""
        (self.folder / "seal").write_text(self._seal())

    def _seal(self) -> str:
        return f"{hashlib.sha256(self.devices.read_bytes()).hexdigest()} {self.memory.stat().st_size}\n"


async def snapshot_place(kernel: Kernel, image: Image, parameters: str = "") -> Snapshot:
    """Return where the snapshot of `kernel` with `image` is, or would be: its name tells what goes into it.

    It is booted with `parameters` on its command line, behind the words every machine has.
    """
    hardware = qemu.Hardware(kernel.architecture, await usable_accelerator(kernel), _memory_mib(kernel), parameters)
    return Snapshot(_folders(kernel.name) / _key(kernel, image, hardware), hardware)


@contextlib.asynccontextmanager
async def made_at(snapshot: Snapshot, kernel: Kernel, image: Image, progress: Progress) -> AsyncIterator[Snapshot]:
    """Yield the snapshot of `kernel` with `image` at its place, made now if need be, and keep it while in use."""
    async with kept_at(snapshot, lambda: _make(snapshot, kernel, image, progress)) as made:
        yield made


@contextlib.asynccontextmanager
async def kept_at(snapshot: Snapshot, make: Callable[[], Awaitable[None]]) -> AsyncIterator[Snapshot]:
    """Yield the snapshot at its place, which `make` fills if need be, and keep it while in use."""
    while True:  # any number may use it at once; only making it wants it alone
        with locked(snapshot.folder, shared=True):
            if snapshot.is_whole:
                snapshot.devices.touch()
                yield snapshot
                return
        with storage_errors_named(), locked(snapshot.folder):
            if not snapshot.is_whole:
                await make()
                prune(snapshot.folder.parent.name, keep=KEPT_PER_KERNEL)


@contextlib.asynccontextmanager
async def restored(snapshot: Snapshot, memory: Path | None = None) -> AsyncIterator[Machine]:
    """Yield a fresh machine that continues where the snapshot was taken.

    It works on a view of its own of the memory, or on `memory`, a copy that it changes.
    """
    arguments = [
        *qemu.machine_arguments(snapshot.hardware),
        *qemu.memory_arguments(snapshot.hardware, memory or snapshot.memory, private=memory is None),
        *("-incoming", "defer"),
    ]
    async with Machine(snapshot.hardware.architecture, arguments) as machine:
        await machine.execute("migrate-set-capabilities", capabilities=CAPABILITIES)
        await machine.execute("migrate-incoming", uri=f"exec:cat {_quoted(snapshot.devices)}")
        while (await machine.execute("query-status"))["status"] == "inmigrate":
            await asyncio.sleep(0.002)
        await machine.execute("cont")
        yield machine


def prune(kernel: str | None = None, *, keep: int = 0) -> int:
    """Remove snapshots nobody is using but the `keep` newest per kernel; return the bytes freed."""
    freed = 0
    for folders in [_folders(kernel)] if kernel else sorted(_folders().glob("*")):
        by_use = sorted(folders.glob("*/devices"), key=_last_use, reverse=True)
        for devices in by_use[keep:]:
            with _unused(devices.parent) as unused:
                if unused and devices.exists():
                    freed += sum(path.stat().st_blocks * 512 for path in devices.parent.iterdir())
                    shutil.rmtree(devices.parent)
    return freed


def _last_use(devices: Path) -> float:
    """Return when a snapshot was last used; long ago, if somebody else has just removed it."""
    try:
        return devices.stat().st_mtime
    except FileNotFoundError:
        return 0.0


@contextlib.contextmanager
def _unused(folder: Path) -> Iterator[bool]:
    lock_file = folder.with_name(f".{folder.name}.lock")
    with lock_file.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


async def _make(snapshot: Snapshot, kernel: Kernel, image: Image, progress: Progress) -> None:
    for attempt in range(1, BOOT_ATTEMPTS + 1):
        progress(f"booting kernel {kernel.name} once for its snapshot ({snapshot.hardware.accelerator})")
        started = time.monotonic()
        try:
            with built_whole(snapshot.folder) as scratch:
                initramfs = scratch / "initramfs"
                image.write(initramfs)
                with _full_disk_named(scratch):
                    await _boot_and_freeze(Snapshot(scratch, snapshot.hardware), kernel, initramfs)
                initramfs.unlink()
        except MachineLost as lost:
            if attempt == BOOT_ATTEMPTS:
                raise
            progress(f"the machine was lost while booting ({lost}); trying once more")
        else:
            progress(f"snapshot of kernel {kernel.name} made in {time.monotonic() - started:.1f} s")
            return


@contextlib.contextmanager
def _full_disk_named(folder: Path) -> Iterator[None]:
    """Say so where a machine was lost because its memory, a file with holes, found no room: by SIGBUS, as a rule."""
    try:
        yield
    except MachineLost as lost:
        disk = os.statvfs(folder)
        if disk.f_bavail * disk.f_frsize >= LEAST_ROOM:
            raise
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder)) from lost


async def _boot_and_freeze(scratch: Snapshot, kernel: Kernel, initramfs: Path) -> None:
    arguments = [
        *qemu.machine_arguments(scratch.hardware),
        *qemu.memory_arguments(scratch.hardware, scratch.memory, private=False),
        *qemu.boot_arguments(scratch.hardware, kernel.vmlinuz, initramfs),
    ]
    async with Machine(kernel.architecture, arguments) as machine:
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                await _wait_until_ready(machine)
        except TimeoutError as late:
            raise GuestHung(f"kernel {kernel.name} did not come up in {BOOT_SECONDS:g} s", machine.last_words) from late
        await freeze(machine, scratch)


async def freeze(machine: Machine, snapshot: Snapshot) -> None:
    """Stop a machine that works on the snapshot's memory and save its devices beside it."""
    await _stop_while_idle(machine)
    await machine.execute("migrate-set-capabilities", capabilities=CAPABILITIES)
    devices, part = _quoted(snapshot.devices), _quoted(snapshot.folder / "part")
    await machine.execute("migrate", uri=f"exec:cat > {part} && mv {part} {devices}")
    while (status := await machine.execute("query-migrate"))["status"] != "completed":
        if status["status"] == "failed":
            raise MachineLost(f"the snapshot could not be written: {status.get('error-desc', 'no reason given')}")
        await asyncio.sleep(0.01)
    deadline = time.monotonic() + WRITTEN_SECONDS
    while not snapshot.devices.exists():  # QEMU is done before the program that writes
        if time.monotonic() > deadline:
            raise MachineLost("the snapshot could not be written: the last of it did not come")
        await asyncio.sleep(0.01)
    snapshot.seal()


async def _wait_until_ready(machine: Machine) -> None:
    while (await machine.receive())[0] != frames.READY:
        pass


async def _stop_while_idle(machine: Machine) -> None:
    """Stop the machine when its processor halts, so that no copy of it begins in the midst of something.

    Right after READY, for example, the driver of the serial port is still at work.
    """
    for _ in range(IDLE_ATTEMPTS):
        await asyncio.sleep(IDLE_SECONDS)
        await machine.execute("stop")
        if await _halted(machine):
            return
        await machine.execute("cont")
    await machine.execute("stop")


async def _halted(machine: Machine) -> bool:
    question, answer = machine.architecture.halted
    place = PLACE.search(await _asked(machine, "info registers")) if "{pc}" in question else None
    return answer in await _asked(machine, question.format(pc=place[1] if place else "0"))


async def _asked(machine: Machine, line: str) -> str:
    """Return what the monitor for people says, which shows registers where QMP does not."""
    return str(await machine.execute("human-monitor-command", **{"command-line": line}))


def _memory_mib(kernel: Kernel) -> int:
    """Return the guest's memory: the unpacked image and its archive have to fit beside each other once."""
    return 640 + 3 * kernel.modules_mib // 64 * 64


def _key(kernel: Kernel, image: Image, hardware: qemu.Hardware) -> str:
    emulator = qemu.emulator_path(kernel.architecture).stat()
    parts = {
        "kernel": [kernel.release, kernel.version, kernel.vmlinuz_sha256],
        "image": image.key,
        "hardware": [*qemu.machine_arguments(hardware), qemu.command_line(hardware)],
        "emulator": [emulator.st_size, emulator.st_mtime_ns],
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def _folders(kernel: str | None = None) -> Path:
    root = cache_root() / "snapshots"
    return root / kernel if kernel else root


def _quoted(path: Path) -> str:
    """Quote for the shell that QEMU's exec: transport starts."""
    return "'" + str(path).replace("'", "'\\''") + "'"
