"""Hands the work of a tree to a Dask cluster.

Dask itself does a lost worker's jobs again on another one; each job has one future, and each future is taken once, so
nothing is counted twice. What all jobs share is the result of a job of its own: a worker gets it once, from whoever
has it, and it can be made again when all who had it are gone.
"""

from __future__ import annotations

import os
import queue
import stat
import time

from pyinsmod.cluster import jobs
from pyinsmod.cluster.connection import GLANCE, Connection, Failed
from pyinsmod.cluster.jobs import Returned, Sent
from pyinsmod.cluster.shipped import KernelValues, Shipped, TreeValues, shipped, values_of
from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Iterator, NamedTuple, Sequence
from pyinsmod.tree.scan import Plain, Scanner
from pyinsmod.tree.tree_check import QUICK_BATCH
from pyinsmod.tree.workers import Done, Lost

if TYPE_CHECKING:
    from pyinsmod.tree.tree_check import TreeCheck

# So many files that go the long way make a job: it takes a fraction of a second, talking about it milliseconds.
_LONG_BATCH = 32
# Jobs for each thread that are on their way or at work: the next one is there when one ends.
_AHEAD = 2


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

    quick_batch, long_batch = QUICK_BATCH, _LONG_BATCH

    def __init__(self, address: str) -> None:
        self._connection = Connection(address)
        self._shared: dict[str, Any] = {}
        self._sends = False
        self._values: dict[int, KernelValues] = {}
        self._known: tuple[float, int] = (0.0, 0)

    def __enter__(self) -> DaskCluster:  # noqa: PYI034 - typing is not imported at run time
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    # --- see Engine

    def scan(self, check: TreeCheck, batches: Sequence[Sequence[str]], places: Sequence[int]) -> Iterator[Done | Lost]:
        """Yield what comes of batches of files; what only this machine can tell is told here."""
        here = Scanner([check.targets[place] for place in places], relocations=check.relocations)
        kernels = self._share_kernels(check, places)
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
        kernels = self._share_kernels(check, range(len(check.kernels)))
        for answer in self._spread(jobs.look_at, (kernels, tree), sent):
            if isinstance(answer, Done):
                yield Done(answer.batch, list(_settled_here(check, answer.value)))
            else:
                yield answer

    # --- jobs

    def _share_kernels(self, check: TreeCheck, places: Sequence[int]) -> Any:
        """Return the future of all facts of the kernels in these places."""
        for place in places:
            if place not in self._values:
                self._values[place] = values_of(check.kernels[place])
        return self._share([self._values[place] for place in places])

    def _share(self, content: object) -> Any:
        """Return the future of what all jobs are to have; workers that have it keep it."""
        packed: Shipped = shipped(content)
        if packed.word not in self._shared:
            self._shared[packed.word] = self._connection.submit(jobs.keep, packed)
        return self._shared[packed.word]

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
                    future = self._connection.submit(function, *shared, *job.more, files)
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
            self._connection.cancel(list(running))

    def _room(self) -> int:
        """Return how many jobs may be under way."""
        asked, threads = self._known
        if time.monotonic() - asked > GLANCE:
            threads = self._connection.threads()
            self._known = time.monotonic(), threads
        return _AHEAD * max(1, threads)

    def _next(self, ended: queue.SimpleQueue[Any]) -> Any:
        """Wait for a job to end."""
        while True:
            try:
                return ended.get(timeout=GLANCE)
            except queue.Empty:
                self._connection.glance()

    def _answer(self, future: Any, job: _Job) -> Done | Lost:
        outcome: Returned | Failed = self._connection.outcome(future)
        return Lost(job.batch, outcome.why) if isinstance(outcome, Failed) else Done(job.batch, outcome)


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
