"""Where downloads and snapshots live: outside the tree, shared by all checkouts, safe side by side."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from vm.cache_folder import CACHE_VARIABLE, cache_folder
from vm.errors import StoreBroken

# What a full or read-only disk answers.
STORAGE_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM})

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
SCRATCH_NAME = re.compile(r"\..+\.[a-z0-9_]{8}")  # as tempfile ends them


def cache_root() -> Path:
    """Return the cache folder: `$PYINSMOD_CACHE`, else `pyinsmod` below the user's cache folder."""
    return Path(cache_folder())


def insist_on_own(root: Path) -> None:
    """Make the cache folder, for its owner alone; refuse one whose kernels and machines somebody else may exchange.

    Raises:
        StoreBroken: there is no making it, it belongs to somebody else who is not root, or others may write to it.
    """
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = root.stat()
    except OSError as failure:
        raise _broken(root, failure) from failure
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & 0o022:
        raise StoreBroken(
            f"the cache {root} can be written by others, who could exchange the kernels in it: chown and chmod go-w it,"
            f" or set {CACHE_VARIABLE} to a folder of your own"
        )


@contextlib.contextmanager
def locked(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file beside `path` (flock(2)): exclusive to build it, shared to use it.

    Raises:
        StoreBroken: see `insist_on_own`.
    """
    insist_on_own(cache_root())
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def built_whole(target: Path) -> Iterator[Path]:
    """Yield a scratch folder that becomes `target` when the block succeeds and vanishes when it does not.

    An interrupted build never leaves something that looks finished: the rename is the last step. What a killed one
    left is removed by the next beside it: a scratch folder is locked for as long as somebody works in it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in abandoned(path for path in target.parent.glob(".*") if SCRATCH_NAME.fullmatch(path.name)):
        with contextlib.suppress(OSError):
            shutil.rmtree(left)
    with locked_folder(target.parent, f".{target.name}.") as (scratch, _):
        yield scratch
        if target.exists():
            shutil.rmtree(target)
        scratch.chmod(0o755)
        scratch.rename(target)


def write_whole(target: Path, content: bytes) -> None:
    """Write a file so that whoever reads it, at any time, finds the old content or all of the new.

    The folder is made if there is none. Nothing is left beside the file when the disk is full; what a killed writer
    leaves has a name that begins with a dot.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    descriptor, scratch = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(scratch).replace(target)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def locked_folder(parent: Path, prefix: str) -> Iterator[tuple[Path, int]]:
    """Yield a new folder, which vanishes afterwards, and the descriptor that says that somebody works in it.

    It says so until it is closed, here and in every process that has inherited it.
    """
    folder, lock = _new_folder(parent, prefix)
    try:
        yield folder, lock
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _new_folder(parent: Path, prefix: str) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        lock = os.open(folder, _FOLDER)
        with contextlib.suppress(OSError):  # taken for abandoned in the moment before this
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.exists():
                return folder, lock
        os.close(lock)


def abandoned(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield those folders in which nobody works any more, each locked while the caller has it."""
    for path in paths:
        try:
            lock = os.open(path, _FOLDER)
        except OSError:  # gone, or no folder
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            yield path
        finally:
            os.close(lock)


@contextlib.contextmanager
def storage_errors_named() -> Iterator[None]:
    """Turn what a full or read-only disk raises into one line that says where and what to do."""
    try:
        yield
    except OSError as failure:
        if failure.errno not in STORAGE_ERRORS:
            raise
        raise _broken(cache_root(), failure) from failure


def _broken(root: Path, failure: OSError) -> StoreBroken:
    where = f" ({failure.filename})" if failure.filename else ""
    return StoreBroken(
        f"the cache {root} cannot be written: {failure.strerror}{where};"
        f" make room or set {CACHE_VARIABLE} to another folder"
    )
