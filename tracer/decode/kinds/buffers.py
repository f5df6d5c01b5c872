"""Buffers whose length another argument, or the result, tells; and vectors of them."""

from __future__ import annotations

from tracer.decode.kinds.common import everywhere, show_address
from tracer.decode.quoting import STRING_LIMIT, quoted_start
from tracer.decode.signature import Kind, LateReader, Reader, Value
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, buffer, pointer, signed32, unreadable
from tracer.ptrace.tracee import RawArguments

_MOST_BUFFERS = 1024  # UIO_MAXIOV: more is EINVAL


def show_buffer(value: Value) -> str:
    """Show a buffer's first bytes."""
    if isinstance(value, dict) and "data" in value:
        return quoted_start(value["data"], cut="truncated" in value)
    if isinstance(value, dict) and "start" in value:
        return quoted_start(value["start"], cut=True)
    return show_address(value)


def sent(length_at: int, *, with_data: bool = True) -> Kind:
    """Return the kind of a buffer that the program gives; its length is in register `length_at`."""

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        return buffer(task, value, raw[length_at], with_data=with_data)

    return everywhere(read, show_buffer if with_data else show_address)


def _received(_arch: Architecture) -> LateReader:
    def late(task: Task, value: int, _raw: RawArguments, result: int, _before: Value) -> Value:
        return buffer(task, value, result)

    return late


def _to_receive(_arch: Architecture) -> Reader:
    return lambda _task, value, _raw: {"address": pointer(value)}


#: A buffer that the kernel fills in: as long as the result.
RECEIVED = Kind(_to_receive, show_buffer, late=_received, shown_late=True)


def vector_places(task: Task, address: int, count: int, word: int) -> list[tuple[int, int]] | None:
    """Return the (address, length) pairs of a struct iovec array; None where it cannot be read."""
    count = max(0, min(count, _MOST_BUFFERS))
    size = 2 * word * count
    data = task.read(address, size) if size else b""
    if len(data) < size:
        return None
    numbers = [int.from_bytes(data[start : start + word], "little") for start in range(0, size, word)]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def vector_sent(task: Task, address: int, count: int, word: int) -> Value:
    """Return the buffers that a struct iovec array names."""
    if not address:
        return None
    places = vector_places(task, address, count, word)
    if places is None:
        return unreadable(address)
    return [buffer(task, base, length) for base, length in places]


def vector_received(task: Task, address: int, count: int, word: int, total: int) -> Value:
    """Return the buffers after `total` bytes were put into them; `size` is their room."""
    places = vector_places(task, address, count, word) if address else None
    if places is None:
        return unreadable(address)
    vector = []
    for base, size in places:
        length = min(size, total)
        total -= length
        one = buffer(task, base, length) or {"address": pointer(base)}
        vector.append({**one, "size": size})
    return vector


def _vector_empty(task: Task, address: int, count: int, word: int) -> Value:
    """Return the buffers without what is in them."""
    places = vector_places(task, address, count, word) if address else None
    if places is None:
        return unreadable(address)
    return [{"address": pointer(base), "size": size} for base, size in places]


def show_vector(value: Value) -> str:
    """Show the buffers of a struct iovec array."""
    if not isinstance(value, list):
        return show_address(value)
    shown = [_show_element(each) for each in value[:STRING_LIMIT]]
    return f"[{', '.join([*shown, '...'] if len(value) > STRING_LIMIT else shown)}]"


def _show_element(value: Value) -> str:
    if value is None:
        return "{iov_base=NULL, iov_len=0}"
    size = value.get("size", value.get("length"))
    return f"{{iov_base={show_buffer(value)}" + (f", iov_len={size}}}" if size is not None else "}")


def _sent_vector_reader(arch: Architecture) -> Reader:
    word = arch.word
    return lambda task, value, raw: vector_sent(task, value, signed32(raw[2]), word)


def _empty_vector_reader(arch: Architecture) -> Reader:
    word = arch.word
    return lambda task, value, raw: _vector_empty(task, value, signed32(raw[2]), word)


def _received_vector_reader(arch: Architecture) -> LateReader:
    word = arch.word
    return lambda task, value, raw, result, _before: vector_received(task, value, signed32(raw[2]), word, result)


#: struct iovec[]; their number is in the third register.
VECTOR_SENT = Kind(_sent_vector_reader, show_vector)
VECTOR_RECEIVED = Kind(_empty_vector_reader, show_vector, late=_received_vector_reader, shown_late=True)
