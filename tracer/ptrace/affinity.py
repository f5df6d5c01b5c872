"""Keep tracer and command on one CPU, unseen: at a stop the other one then runs at once, without waking a second CPU.

Nearly all of the time of an unpinned trace goes into that waking. The command and its descendants are not to
see it: sched_getaffinity(2) answers with the affinity they would have had. One that sets its own gets it, and
is told the truth from then on. What the kernel says elsewhere cannot be hidden: Cpus_allowed in
/proc/PID/status, the CPU that getcpu(2) names, and how long parallel work takes.

Processes that are attached to are left where they are: with a tracer that is killed, nobody could put them back.
"""

from __future__ import annotations

import os

from pyinsmod.lean import Iterator, Mapping, NamedTuple, contextmanager
from tracer.ptrace import binding
from tracer.ptrace.changes import Effect
from tracer.ptrace.tracee import RawArguments, Tracee

GETTER, SETTER = "sched_getaffinity", "sched_setaffinity"


class Pinned(NamedTuple):
    """The CPU all are on, and the affinity the command would have without us."""

    cpu: int
    affinity: frozenset[int]


@contextmanager
def one_cpu(pid: int, *, wanted: bool) -> Iterator[Pinned | None]:
    """Pin this thread and process `pid` to the CPU this thread runs on; give None when that is not done.

    This thread's own affinity is restored at the end. Where the kernel refuses (a container's profile may),
    the trace is merely slower.
    """
    before = os.sched_getaffinity(0)
    cpu = _current_cpu()
    if not wanted or len(before) == 1 or cpu not in before:
        yield None
        return
    try:
        os.sched_setaffinity(pid, {cpu})
        os.sched_setaffinity(0, {cpu})
    except OSError:
        os.sched_setaffinity(0, before)
        yield None
        return
    try:
        yield Pinned(cpu, frozenset(before))
    finally:
        os.sched_setaffinity(0, before)


class AffinityAsked:
    """sched_getaffinity(pid, cpusetsize, mask): where the kernel says our one CPU, say what would be without us."""

    def __init__(self, pinned: Pinned, tracees: Mapping[int, Tracee]) -> None:
        self._pinned = pinned
        self._tracees = tracees

    def enter(self, tracee: Tracee, arguments: RawArguments) -> Effect | None:
        """See `Change`."""
        asked_about = _target(tracee, arguments, self._tracees)
        if asked_about is None or asked_about.own_affinity:
            return None
        return Effect(after=lambda result: self._answer(tracee.pid, arguments[2], result))

    def _answer(self, pid: int, address: int, length: int) -> None:
        if length <= 0:
            return
        if binding.read_memory(pid, address, length) == _mask(frozenset((self._pinned.cpu,)), length):
            binding.write_memory(pid, address, _mask(self._pinned.affinity, length))


class AffinitySet:
    """sched_setaffinity(pid, cpusetsize, mask): remember who has an affinity of its own, to be left alone."""

    def __init__(self, tracees: Mapping[int, Tracee]) -> None:
        self._tracees = tracees

    def enter(self, tracee: Tracee, arguments: RawArguments) -> Effect | None:
        """See `Change`."""
        changed = _target(tracee, arguments, self._tracees)
        if changed is None:
            return None
        # From now on nobody else is to set it (see `giving_way`).
        before, changed.own_affinity = changed.own_affinity, True
        return Effect(after=lambda result: _note_own(changed, result, before=before))


def _note_own(tracee: Tracee, result: int, *, before: bool) -> None:
    tracee.own_affinity = before or result == 0


def _target(tracee: Tracee, arguments: RawArguments, tracees: Mapping[int, Tracee]) -> Tracee | None:
    """Return the task a call is about: 0 is the caller; None for one that is not traced."""
    pid = arguments[0] & 0xFFFFFFFF
    return tracees.get(pid) if pid else tracee


def _mask(cpus: frozenset[int], length: int) -> bytes:
    """Return a cpu_set_t of `length` bytes."""
    return sum(1 << cpu for cpu in cpus if cpu < length * 8).to_bytes(length, "little")


def _current_cpu() -> int:
    """Return the CPU this thread last ran on: field 39 of /proc/thread-self/stat (proc(5))."""
    file = os.open("/proc/thread-self/stat", os.O_RDONLY | os.O_CLOEXEC)
    try:
        stat = os.read(file, 4096)
    finally:
        os.close(file)
    return int(stat.rpartition(b")")[2].split()[36])
