"""Work for all processors: forked children take batches from a pipe and answer through pipes of their own.

A child that dies takes nothing with it: what it had begun and not answered is told by name, and the rest goes on.
"""

from __future__ import annotations

import marshal
import os
import select
import signal

from pyinsmod.lean import Any, Callable, Iterator, NamedTuple

_NUMBER, _LENGTH = 4, 8
# A pipe holds 64 KiB: so many numbers of batches at the most.
MOST_BATCHES = 16000
_READ = 1 << 20


class Lost(NamedTuple):
    """A batch whose worker died."""

    batch: int
    why: str


class Done(NamedTuple):
    """A batch and what came of it."""

    batch: int
    value: Any


def processors() -> int:
    """Return how many processes can run at once."""
    return len(os.sched_getaffinity(0)) or 1


def spread(batches: int, work: Callable[[int], Any], workers: int | None = None) -> Iterator[Done | Lost]:
    """Yield what `work` made of each batch, as they come; `Lost` for one whose worker died.

    Args:
        batches: how many there are; `work` gets their numbers.
        work: called in a child; returns plain values, such as marshal writes.
        workers: how many processes; as many as there are processors by default.
    """
    if batches > MOST_BATCHES:
        raise ValueError(f"{batches} batches are too many")
    queue, filling = os.pipe()
    os.write(filling, b"".join(number.to_bytes(_NUMBER, "little") for number in range(batches)))
    os.close(filling)
    children: dict[int, _Child] = {}
    try:
        for _ in range(min(batches, workers or processors())):
            child = _Child(queue, work, [other.pipe for other in children.values()])
            children[child.pipe] = child
        yield from _answers(children)
    finally:
        os.close(queue)
        for child in children.values():
            child.end()


def _answers(children: dict[int, _Child]) -> Iterator[Done | Lost]:
    poll = select.poll()
    for pipe in children:
        poll.register(pipe, select.POLLIN)
    left = set(children)
    while left:
        for pipe, _ in poll.poll():
            child = children[pipe]
            ended = not child.receive()
            yield from child.answers()
            if ended:
                poll.unregister(pipe)
                left.discard(pipe)
                yield from child.lost()


class _Child:
    """A worker: its process, the pipe it answers through, and what came through it so far."""

    def __init__(self, queue: int, work: Callable[[int], Any], others: list[int]) -> None:
        self.pipe, answering = os.pipe()
        self._received = bytearray()
        self._begun: int | None = None
        self.process = os.fork()
        if not self.process:
            _be_worker(queue, answering, work, [self.pipe, *others])
        os.close(answering)
        os.set_blocking(self.pipe, False)

    def receive(self) -> bool:
        """Take what is there; return False at the end."""
        try:
            piece = os.read(self.pipe, _READ)
        except BlockingIOError:
            return True
        self._received += piece
        return bool(piece)

    def answers(self) -> Iterator[Done]:
        """Yield what has come whole. A message without contents says that a batch was begun."""
        while len(self._received) >= _NUMBER + _LENGTH:
            number = int.from_bytes(self._received[:_NUMBER], "little")
            end = _NUMBER + _LENGTH + int.from_bytes(self._received[_NUMBER : _NUMBER + _LENGTH], "little")
            if len(self._received) < end:
                return
            body = bytes(self._received[_NUMBER + _LENGTH : end])
            del self._received[:end]
            self._begun = None if body else number
            if body:
                yield Done(number, marshal.loads(body))  # noqa: S302 - from our own child

    def lost(self) -> Iterator[Lost]:
        """Wait for the process, which has closed its pipe, and yield the batch it did not finish."""
        status = self._wait()
        if self._begun is not None:
            how = signal.Signals(-status).name if status < 0 else f"status {status}"
            yield Lost(self._begun, f"the process that looked at it ended ({how})")

    def end(self) -> None:
        """Stop the process if it still runs: nobody wants the rest any more."""
        if self.process:
            os.kill(self.process, signal.SIGKILL)
            self._wait()

    def _wait(self) -> int:
        process, self.process = self.process, 0
        os.close(self.pipe)
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _be_worker(queue: int, answering: int, work: Callable[[int], Any], others: list[int]) -> None:
    """Take numbers until there are none; never return. Who gave the work may go: then there is nobody to answer."""
    status = 1
    try:
        for pipe in others:
            os.close(pipe)
        while taken := os.read(queue, _NUMBER):
            _send(answering, taken, b"")
            _send(answering, taken, marshal.dumps(work(int.from_bytes(taken, "little"))))
        status = 0
    except (BrokenPipeError, KeyboardInterrupt):
        status = 0
    finally:
        os._exit(status)


def _send(pipe: int, number: bytes, body: bytes) -> None:
    rest = memoryview(number + len(body).to_bytes(_LENGTH, "little") + body)
    while rest:
        rest = rest[os.write(pipe, rest) :]
