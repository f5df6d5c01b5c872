"""Machines for jobs that come from another host: what they are made of comes along, or is here already.

A job names its machine by what it is made of, a few words. Where a snapshot of such a machine is at hand nothing else
is needed; where it is not, the one who sent the job is asked for the parts: the kernel's boot image, and the initramfs
with the guest's userland and the kernel's modules. None of it is looked for in this host's own store.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vm.cache import abandoned, cache_root, insist_on_own, locked_folder
from vm.errors import VmError
from vm.image import Image
from vm.jobs import Job, JobResult
from vm.kernel_store import Kernel
from vm.run import laboratory_of

QUICKEST = 1
PIECE = 1 << 20
SCRATCH = ".parts."


class PartsWanted(VmError):
    """There is no such machine here yet, and its parts did not come along."""


class DamagedParts(VmError):
    """The parts of a machine are not what was sent."""


@dataclass(frozen=True)
class MachineKind:
    """What a machine is made of, by names and checksums: two are equal only if their machines are alike.

    Attributes:
        kernel: the kernel; its folder means nothing where this goes.
        image_key: see `vm.image.Image`.
        stands_by: the program that is to stand by in it, with its arguments; empty for none.
    """

    kernel: Kernel
    image_key: str
    stands_by: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        """A name of sixteen hexadecimal digits, different for each kind of machine."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Parts:
    """What a snapshot is made from, as it is sent: the boot image as it is, the initramfs packed with zlib."""

    vmlinuz: bytes
    initramfs: bytes


@dataclass(frozen=True)
class Answer:
    """What came of a job: its result, or the error with which its machine ended (`PartsWanted`: it had none yet).

    Attributes:
        said: what the job wrote while it ran, as `vm.jobs.Output` gets it.
        notes: what took long.
    """

    result: JobResult | None = None
    error: VmError | None = None
    said: tuple[tuple[bytes, bytes], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def wants_parts(self) -> bool:
        """Whether the job is to be sent again, with the parts of its machine."""
        return isinstance(self.error, PartsWanted)


def kind_of(kernel: Kernel, image: Image) -> MachineKind:
    """Return what a machine of this kernel and image is."""
    known = (kernel.name, kernel.release, kernel.version)
    plain = Kernel(*known, Path(), (), kernel.vmlinuz_sha256, kernel.modules_mib, kernel.machine)
    return MachineKind(plain, image.key)


def parts_of(kernel: Kernel, image: Image) -> Parts:
    """Return what a machine of this kernel and image is made from; takes some seconds, and their size in memory."""
    packer = zlib.compressobj(QUICKEST)
    with _scratch() as folder:
        initramfs = folder / "initramfs"
        image.write(initramfs)
        with initramfs.open("rb") as file:
            packed = [packer.compress(piece) for piece in iter(lambda: file.read(PIECE), b"")]
    return Parts(kernel.vmlinuz.read_bytes(), b"".join([*packed, packer.flush()]))


def run_here(kind: MachineKind, parts: Parts | None, job: Job) -> Answer:
    """Run a job in a machine of that kind, on this host; how the machine ended is an answer, too."""
    said: list[tuple[bytes, bytes]] = []
    notes: list[str] = []
    try:
        with _scratch() as folder:
            result = asyncio.run(_run(kind, _Received(kind, parts, folder), job, said, notes))
    except VmError as error:
        return Answer(None, error, tuple(said), tuple(notes))
    return Answer(result, None, tuple(said), tuple(notes))


async def _run(
    kind: MachineKind, received: _Received, job: Job, said: list[tuple[bytes, bytes]], notes: list[str]
) -> JobResult:
    async with laboratory_of(received.kernel, received, notes.append) as plain:
        machines = plain.standing_by(*kind.stands_by) if kind.stands_by else plain
        return await machines.run(job, on_output=lambda stream, data: said.append((stream, data)))


class _Received:
    """Kernel and image that are made of received parts, once they are asked for."""

    def __init__(self, kind: MachineKind, parts: Parts | None, folder: Path) -> None:
        self.key = kind.image_key
        self._parts, self._folder = parts, folder
        self.kernel = _ReceivedKernel(**{**vars(kind.kernel), "root": folder}, received=self)

    def boot_image(self) -> Path:
        """Return where the boot image is."""
        place = self._folder / "vmlinuz"
        if not place.exists():
            place.write_bytes(self._wanted().vmlinuz)
        return place

    def write(self, target: Path) -> None:
        """Write the initramfs."""
        unpacker, packed = zlib.decompressobj(), memoryview(self._wanted().initramfs)
        try:
            with target.open("wb") as file:
                for start in range(0, len(packed), PIECE):
                    file.write(unpacker.decompress(packed[start : start + PIECE]))
                file.write(unpacker.flush())
        except zlib.error as error:
            raise DamagedParts(f"the initramfs arrived damaged: {error}") from error
        if not unpacker.eof:
            raise DamagedParts("the initramfs arrived cut short")

    def _wanted(self) -> Parts:
        if self._parts is None:
            raise PartsWanted("the parts of this machine did not come along")
        return self._parts


@dataclass(frozen=True)
class _ReceivedKernel(Kernel):
    received: _Received | None = None

    @property
    def vmlinuz(self) -> Path:
        if self.received is None:
            raise PartsWanted("the boot image of this kernel did not come along")
        return self.received.boot_image()


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """Yield a folder for temporary files, below the cache; folders that killed runs left there are removed."""
    root = cache_root()
    insist_on_own(root)
    for left in abandoned(root.glob(f"{SCRATCH}*")):
        shutil.rmtree(left, ignore_errors=True)
    with locked_folder(root, SCRATCH) as (folder, _):
        yield folder
