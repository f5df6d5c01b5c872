"""A connection to the scheduler of a Dask cluster: jobs go out, and what becomes of each is told once.

Dask itself does a lost worker's jobs again on another one. What can go wrong with the cluster as a whole is found out
here, and becomes one line.
"""

from __future__ import annotations

import logging
import time
import warnings

from pyinsmod.cluster.code import OtherCodeError, own_code
from pyinsmod.errors import UsageError
from pyinsmod.lean import Any, Callable, NamedTuple
from pyinsmod.tree.tree_check import EngineLost

CONNECT_TIMEOUT = "10s"
# So long no worker may be there before the work is given up.
PATIENCE = 60.0
#: Who waits for an answer looks so often whether there is still somebody to give it, in seconds.
GLANCE = 2.0


class ClusterLost(EngineLost):
    """The scheduler cannot be reached, or has no workers."""


class Failed(NamedTuple):
    """A job that will not be done, and why."""

    why: str


class Connection:
    """A client of the scheduler at an address such as `tcp://10.0.0.1:8786`.

    Raises:
        UsageError: the extra is not installed.
        ClusterLost: nobody answers there.
    """

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
            raise ClusterLost(f"no scheduler answers at {address}: {line_of(error)}") from error
        self._alone_since: float | None = None

    def close(self) -> None:
        """Leave the cluster."""
        self._client.close(timeout=2)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Hand out a job and return its future; futures among the arguments become what they stand for."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that what is sent is big
            try:
                return self._client.submit(function, *arguments, pure=False)
            except OSError as error:
                raise ClusterLost(f"the scheduler at {self._address} is gone: {line_of(error)}") from error

    def cancel(self, futures: list[Any]) -> None:
        """Take jobs back that nobody waits for any more."""
        self._client.cancel(futures, force=True)

    def threads(self) -> int:
        """Ask how many threads all workers have."""
        try:
            workers = self._client.nthreads()
        except (OSError, ValueError) as error:
            raise ClusterLost(f"the scheduler at {self._address} is gone: {line_of(error)}") from error
        return sum(int(each) for each in workers.values())

    def glance(self) -> None:
        """Look whether somebody is still there to do what is waited for; call it every GLANCE seconds.

        Raises:
            ClusterLost: the scheduler is gone, or has had no workers for PATIENCE seconds.
        """
        if self._client.status != "running":
            raise ClusterLost(f"the scheduler at {self._address} is gone")
        if self.threads():
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = time.monotonic()
        elif time.monotonic() - self._alone_since > PATIENCE:
            raise ClusterLost(f"the scheduler at {self._address} has had no workers for {PATIENCE:.0f} seconds")

    def outcome(self, future: Any) -> Any:
        """Return what a job that has ended returned, or Failed.

        Raises:
            ClusterLost: the cluster went away under it.
            UsageError: the workers are not made for this.
        """
        from distributed import KilledWorker

        self._alone_since = None
        if future.cancelled():
            raise ClusterLost(f"the scheduler at {self._address} is gone, or somebody cancelled our jobs there")
        error = future.exception()
        if error is None:
            return future.result(timeout=PATIENCE)
        if isinstance(error, ModuleNotFoundError | OtherCodeError) or "deserialization" in str(error):
            why = f"the scheduler and its workers need pyinsmod {own_code()} as well: {line_of(error)}"
            raise UsageError(f"{self._address} cannot do this: {why}") from error
        if isinstance(error, KilledWorker):
            return Failed("every worker that looked at it was lost")
        return Failed(f"the worker that looked at it failed: {type(error).__name__}: {line_of(error)}")


def line_of(error: BaseException) -> str:
    """Return the first line of what an error says."""
    return (str(error) or type(error).__name__).splitlines()[0]


def _silence(package: str) -> None:
    """Keep a package from writing to the terminal: what goes wrong is told in one line, by us."""
    for name in [package, *logging.root.manager.loggerDict]:
        if name.partition(".")[0] == package:
            logging.getLogger(name).disabled = True
