"""Hands the work of a tree to a Dask cluster.

Dask itself does a lost worker's jobs again on another one; each job has one future, and each future is taken once, so
nothing is counted twice. What all jobs share is the result of a job of its own: a worker gets it once, from whoever
has it, and it can be made again when all who had it are gone.
"""

from __future__ import annotations

import logging
import os
import queue
import stat
import time
import warnings

from pyinsmod import __version__
from pyinsmod.cluster import jobs
from pyinsmod.cluster.jobs import Returned, Sent, WrongVersionError
from pyinsmod.cluster.shipped import Shipped, TreeValues, shipped, values_of
from pyinsmod.errors import UsageError
from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple, Sequence
from pyinsmod.tree.scan import Plain, Scanner
from pyinsmod.tree.tree_check import EngineLost
from pyinsmod.tree.workers import Done, Lost

if TYPE_CHECKING:
    from pyinsmod.tree.tree_check import TreeCheck

CONNECT_TIMEOUT = "10s"
# So long no worker may be there before the work is given up.
PATIENCE = 60.0
_GLANCE = 2.0
# Jobs for each thread that are on their way or at work: the next one is there when one ends.
_AHEAD = 2


class ClusterLost(EngineLost):
    """The scheduler cannot be reached, or has no workers."""


class _Job(NamedTuple):
    """Some files of a batch, and what else the function is given."""

    batch: int
    files: tuple[str, ...]
    more: tuple[Any, ...]


class DaskCluster:
    """Workers of a scheduler; use it in a `with` statement.

    Args:
        address: of the scheduler, such as `tcp://10.0.0.1:8786`.

    Raises:
        UsageError: the extra is not installed.
        ClusterLost: nobody answers there.
    """

    quick_batch, long_batch = 48, 32

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError as error:
            raise UsageError("--scheduler needs Dask: pip install 'pyinsmod[cluster]'") from error
        _silence("distributed")
        self._address = address
        try:
            self._client: Any = Client(  # type: ignore[no-untyped-call]  # it has no types
                address, timeout=CONNECT_TIMEOUT, set_as_default=False
            )
        except (OSError, ValueError, TypeError) as error:
            raise ClusterLost(f"no scheduler answers at {address}: {_line(error)}") from error
        self._shared: dict[str, Any] = {}
        self._sends = False
        self._kernels: Any = None
        self._known: tuple[float, int] = (0.0, 0)

    def __enter__(self) -> DaskCluster:  # noqa: PYI034 - typing is not imported at run time
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=2)

    # --- see Engine

    def scan(self, check: TreeCheck, batches: Sequence[Sequence[str]]) -> Iterator[Done | Lost]:
        """Yield what comes of batches of files; what only this machine can tell is told here."""
        here = Scanner(check.targets, relocations=check.relocations)
        kernels = self._kernels = self._kernels or self._share([values_of(kernel) for kernel in check.kernels])
        sent: list[_Job] = []
        waiting: dict[int, list[str]] = {}
        for number, files in enumerate(batches):
            plain = tuple(file for file in files if _is_readable(file))
            waiting[number] = [file for file in files if file not in plain]
            sent.append(_Job(number, plain, ((check.relocations,),)))
        for answer in self._spread(jobs.scan, (kernels,), sent):
            own = waiting[answer.batch]
            if isinstance(answer, Lost) or not own:
                yield answer
                continue
            rows, said = answer.value
            own_rows, own_said = here.batch(own)
            by_file = dict(zip((*sent[answer.batch].files, *own), (*rows, *own_rows), strict=True))
            yield Done(answer.batch, ([by_file[file] for file in batches[answer.batch]], [*said, *own_said]))

    def look_at(self, check: TreeCheck, batches: Sequence[Sequence[int]]) -> Iterator[Done | Lost]:
        """Yield what comes of batches of files that go the long way."""
        rows = tuple((row.name, tuple(map(tuple, row.exports))) for row in check.rows)
        tree = self._share(TreeValues(rows, tuple(side.own_exports() for side in check.sides)))
        sent = []
        for place, numbers in enumerate(batches):
            sides = tuple(tuple(at for at, side in enumerate(check.sides) if each in side.long) for each in numbers)
            files = tuple(check.found.files[each] for each in numbers)
            sent.append(_Job(place, files, (tuple(zip(numbers, sides, strict=True)),)))
        for answer in self._spread(jobs.look_at, (self._kernels, tree), sent):
            if isinstance(answer, Done):
                yield Done(answer.batch, list(_settled_here(check, answer.value)))
            else:
                yield answer

    # --- jobs

    def _share(self, content: object) -> Any:
        """Return the future of what all jobs are to have; workers that have it keep it."""
        packed: Shipped = shipped(content)
        if packed.word not in self._shared:
            self._shared[packed.word] = self._submit(jobs.keep, packed.packed, packed.word)
        return self._shared[packed.word]

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that what is sent is big
            try:
                return self._client.submit(function, *arguments, pure=False)
            except OSError as error:
                raise ClusterLost(f"the scheduler at {self._address} is gone: {_line(error)}") from error

    def _spread(
        self, function: Callable[..., Any], shared: tuple[Any, ...], sent: Sequence[_Job]
    ) -> Iterator[Done | Lost]:
        """Yield one answer for each job. Only so many are under way that the workers do not wait for the next one."""
        ended: queue.SimpleQueue[Any] = queue.SimpleQueue()
        left = list(reversed(sent))
        running: dict[Any, _Job] = {}
        try:
            while left or running:
                while left and len(running) < self._room():
                    job = left.pop()
                    if not job.files:
                        yield Done(job.batch, ([], []))
                        continue
                    files = tuple(_sent(file, whole=self._sends) for file in job.files)
                    future = self._submit(function, *shared, *job.more, files)
                    running[future] = job
                    future.add_done_callback(ended.put)
                if running:
                    future = self._next(ended)
                    job = running.pop(future)
                    answer = self._answer(future, job)
                    if isinstance(answer, Done) and answer.value.missing:
                        self._sends = True  # the workers do not have our files: from now on they come with the jobs
                        left.append(job)
                    else:
                        yield answer if isinstance(answer, Lost) else Done(job.batch, answer.value.value)
        finally:
            self._client.cancel(list(running), force=True)

    def _room(self) -> int:
        """Return how many jobs may be under way."""
        asked, threads = self._known
        if time.monotonic() - asked > _GLANCE:
            threads = self._threads()
            self._known = time.monotonic(), threads
        return _AHEAD * max(1, threads)

    def _threads(self) -> int:
        """Ask how many threads all workers have."""
        try:
            workers = self._client.nthreads()
        except (OSError, ValueError) as error:
            raise ClusterLost(f"the scheduler at {self._address} is gone: {_line(error)}") from error
        return sum(int(each) for each in workers.values())

    def _next(self, ended: queue.SimpleQueue[Any]) -> Any:
        """Wait for a job to end; give up when there has been nobody to do one for too long."""
        alone_since: float | None = None
        while True:
            try:
                return ended.get(timeout=_GLANCE)
            except queue.Empty:
                if self._client.status != "running":
                    raise ClusterLost(f"the scheduler at {self._address} is gone") from None
                if self._threads():
                    alone_since = None
                elif alone_since is None:
                    alone_since = time.monotonic()
                elif time.monotonic() - alone_since > PATIENCE:
                    why = f"the scheduler at {self._address} has had no workers for {PATIENCE:.0f} seconds"
                    raise ClusterLost(why) from None

    def _answer(self, future: Any, job: _Job) -> Done | Lost:
        from distributed import KilledWorker

        if future.cancelled():
            raise ClusterLost(f"the scheduler at {self._address} is gone, or somebody cancelled our jobs there")
        error = future.exception()
        if error is None:
            result: Returned = future.result(timeout=PATIENCE)
            return Done(job.batch, result)
        if isinstance(error, ModuleNotFoundError | WrongVersionError) or "deserialization" in str(error):
            why = f"the scheduler and its workers need pyinsmod {__version__} as well: {_line(error)}"
            raise UsageError(f"{self._address} cannot do this: {why}") from error
        if isinstance(error, KilledWorker):
            return Lost(job.batch, "every worker that looked at it was lost")
        return Lost(job.batch, f"the worker that looked at it failed: {type(error).__name__}: {_line(error)}")


def _settled_here(
    check: TreeCheck, found: Sequence[tuple[int, int, tuple[Plain, ...] | None]]
) -> Iterator[tuple[int, int, tuple[Plain, ...]]]:
    """Yield results; those that only show where the kernel's own files are, are found out here."""
    for number, kernel, findings in found:
        if findings is None:
            yield from (each for each in check.long_batch([number]) if each[1] == kernel)
        else:
            yield number, kernel, findings


def _sent(file: str, *, whole: bool) -> Sent:
    """Return a file as it is sent. One that cannot be read any more is empty to the worker, and said to be so."""
    path = os.path.abspath(file)  # noqa: PTH100 - see paths.py
    try:
        with open(path, "rb") as opened:  # noqa: PTH123 - see paths.py
            state = os.fstat(opened.fileno())
            return Sent(path, state.st_size, state.st_mtime_ns, opened.read() if whole else None)
    except OSError:
        return Sent(path, 0, 0, b"")


def _is_readable(file: str) -> bool:
    try:
        return stat.S_ISREG(os.stat(file).st_mode) and os.access(file, os.R_OK)  # noqa: PTH116 - see paths.py
    except OSError:
        return False


def _silence(package: str) -> None:
    """Keep a package from writing to the terminal: what goes wrong is told in one line, by us."""
    for name in [package, *logging.root.manager.loggerDict]:
        if name.partition(".")[0] == package:
            logging.getLogger(name).disabled = True


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
