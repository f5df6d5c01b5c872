"""What experiments gave, kept from run to run: the same machine asked the same thing need not be asked again.

A trace is kept below the cache folder by everything that goes into it: the machine (kernel, image, emulator,
this project's own sources in it) and the experiment (files, preparations, command). So an interrupted
run goes on where it was, and another document's run finds what they have in common.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import zlib
from pathlib import Path

from vm.cache import cache_root, storage_errors_named, write_whole
from vm.jobs import Job

KEPT_PER_KERNEL = 2  # as many as snapshots: traces of machines that are gone are of no use


class RecordedTraces:
    """The traces of one kernel's machines."""

    def __init__(self, kernel: str, machine: str, *, fresh: bool = False) -> None:
        """`machine` is the laboratory's identity; `fresh` reads nothing and replaces what there is."""
        self._folder = cache_root() / "traces" / kernel / machine
        self._fresh = fresh
        with contextlib.suppress(OSError):  # nothing there yet
            os.utime(self._folder)  # in use: the last to be dropped

    def get(self, job: Job) -> bytes | None:
        """Return the trace this job gave, None when it has not been done or what is kept is damaged."""
        if self._fresh:
            return None
        try:
            return zlib.decompress(self._file(job).read_bytes())
        except (OSError, zlib.error):
            return None

    def keep(self, job: Job, trace: bytes) -> None:
        """Keep a trace; nobody ever sees half of one."""
        with storage_errors_named():
            if not self._folder.exists():
                _drop_older(self._folder.parent, KEPT_PER_KERNEL - 1)
            # It makes the folder each time: another run, with machines of its own, may drop it meanwhile.
            write_whole(self._file(job), zlib.compress(trace, 1))

    def _file(self, job: Job) -> Path:
        return self._folder / job_key(job)


def job_key(job: Job) -> str:
    """Return a name for everything a job asks of its machine."""
    digest = hashlib.sha256(repr((job.argv, job.goes_on, job.prepare, job.get, job.cwd, job.seconds)).encode())
    digest.update(repr((sorted(job.environment.items()), sorted(job.links.items()))).encode())
    for path, content in sorted(job.files.items()):
        digest.update(f"{path} {hashlib.sha256(content).hexdigest()}\n".encode())
    return digest.hexdigest()[:32]


def _drop_older(folder: Path, kept: int) -> None:
    if not folder.exists():
        return
    by_use = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    for machine in by_use[kept:]:
        shutil.rmtree(machine, ignore_errors=True)
