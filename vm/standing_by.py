"""Snapshots of machines in which a program stands by: made from another snapshot in a moment, without a boot.

What many jobs do first, each in a machine of its own, is done once: the program prepares itself and says so (see
`vm.guest.held`), and the machine is frozen anew, with a memory of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from vm.cache import built_whole
from vm.errors import GuestHung, MachineLost
from vm.guest import frames
from vm.machine import Machine
from vm.snapshot import Progress, Snapshot, freeze, kept_at, restored

READY_SECONDS = 120.0


def place_of(base: Snapshot, argv: Sequence[str]) -> Snapshot:
    """Return where the snapshot of `base` with this program standing by is, or would be."""
    name = hashlib.sha256(repr((base.folder.name, tuple(argv))).encode()).hexdigest()[:16]
    return Snapshot(base.folder.with_name(name), base.hardware)


@contextlib.asynccontextmanager
async def standing_by_at(
    place: Snapshot, base: Callable[[], Awaitable[Snapshot]], argv: Sequence[str], progress: Progress
) -> AsyncIterator[Snapshot]:
    """Yield the snapshot at its place, made from `base` if need be, and keep it while in use.

    Raises:
        MachineEnded: the program did not get ready, or `base` cannot be had.
    """

    async def make() -> None:
        snapshot = await base()
        started = time.monotonic()
        kernel = place.folder.parent.name
        try:
            await _make(place, snapshot, argv)
        except MachineLost as lost:
            progress(f"the machine of kernel {kernel} in which {argv[0]} stands by was lost ({lost}); trying once more")
            await _make(place, snapshot, argv)
        progress(f"{argv[0]} stands by in kernel {kernel}: made ready in {time.monotonic() - started:.1f} s")

    async with kept_at(place, make) as made:
        yield made


async def _make(place: Snapshot, base: Snapshot, argv: Sequence[str]) -> None:
    with built_whole(place.folder) as scratch:
        made = Snapshot(scratch, place.hardware)
        await asyncio.to_thread(copy_sparse, base.memory, made.memory)
        async with restored(base, made.memory) as machine:
            await _start(machine, argv)
            await freeze(machine, made)


async def _start(machine: Machine, argv: Sequence[str]) -> None:
    await machine.send(frames.encode_json(frames.RUN, {"argv": list(argv), "hold": True}))
    said = bytearray()
    try:
        async with asyncio.timeout(READY_SECONDS):
            while (frame := await machine.receive())[0] != frames.STANDS_BY:
                if frame[0] == frames.STDERR:
                    said += frame[1]
                if frame[0] == frames.EXIT:
                    words = said.decode(errors="backslashreplace").strip().splitlines()
                    raise MachineLost(f"{argv[0]} did not get ready{': ' + words[-1] if words else ''}")
    except TimeoutError as late:
        raise GuestHung(f"{argv[0]} did not get ready in {READY_SECONDS:g} s", machine.last_words) from late


def copy_sparse(source: Path, target: Path) -> None:
    """Copy a file without its holes (lseek(2), SEEK_DATA): most of a guest's memory was never touched."""
    with source.open("rb") as reading, target.open("wb") as writing:
        size = os.fstat(reading.fileno()).st_size
        writing.truncate(size)
        end = 0
        with contextlib.suppress(OSError):  # ENXIO: nothing but a hole follows
            while end < size:
                start = os.lseek(reading.fileno(), end, os.SEEK_DATA)
                end = os.lseek(reading.fileno(), start, os.SEEK_HOLE)
                _copy_range(reading.fileno(), writing.fileno(), start, end)


def _copy_range(source: int, target: int, start: int, end: int) -> None:
    while start < end:
        start += os.copy_file_range(source, target, end - start, start, start)
