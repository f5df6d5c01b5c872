"""What poll, select and epoll wait for, and what they found."""

from __future__ import annotations

from collections.abc import Mapping

from tracer.decode.kinds.common import show_address
from tracer.decode.kinds.numbers import ADDRESS
from tracer.decode.kinds.structures import Structure, read_structure, shown_list
from tracer.decode.kinds.symbols import flags
from tracer.decode.quoting import STRING_LIMIT
from tracer.decode.signature import Kind, LateReader, Reader, Returns, Value
from tracer.decode.tables import file_flags as table
from tracer.decode.tables.architectures import Architecture
from tracer.decode.values import Task, pointer, signed32, unreadable
from tracer.decode.values import flags as split_flags
from tracer.ptrace.tracee import RawArguments

_MOST_DESCRIPTORS = 1 << 16
_EVENTS = flags(table.POLL_EVENTS, "POLL???", mask=0xFFFF)
Arguments = Mapping[str, Value]


def _poll_entries(task: Task, address: int, raw: RawArguments) -> Value:
    """Return the struct pollfd array: descriptor, events asked for and, in `revents`, found."""
    count = min(raw[1] & 0xFFFFFFFF, _MOST_DESCRIPTORS)
    if not address:
        return None
    data = task.read(address, 8 * count) if count else b""
    if len(data) < 8 * count:
        return unreadable(address)
    return [
        {
            "fd": int.from_bytes(data[start : start + 4], "little", signed=True),
            "events": split_flags(int.from_bytes(data[start + 4 : start + 6], "little"), table.POLL_EVENTS),
            "revents": split_flags(int.from_bytes(data[start + 6 : start + 8], "little"), table.POLL_EVENTS),
        }
        for start in range(0, len(data), 8)
    ]


def _poll_reader(_arch: Architecture) -> Reader:
    def read(task: Task, value: int, raw: RawArguments) -> Value:
        found = _poll_entries(task, value, raw)
        return [{"fd": each["fd"], "events": each["events"]} for each in found] if isinstance(found, list) else found

    return read


def _poll_late(_arch: Architecture) -> LateReader:
    return lambda task, value, raw, _result, _before: _poll_entries(task, value, raw)


def _show_entry(value: Value) -> str:
    return f"{{fd={value['fd']}" + (f", events={_EVENTS.show(value['events'])}}}" if value["fd"] >= 0 else "}")


POLL_ENTRIES = Kind(_poll_reader, shown_list(_show_entry), late=_poll_late)


def _found_by_poll(arguments: Arguments) -> list[str]:
    entries = arguments.get("fds")
    found = [each for each in entries if each.get("revents")] if isinstance(entries, list) else []
    shown = [f"{{fd={each['fd']}, revents={'|'.join(each['revents'])}}}" for each in found[:STRING_LIMIT]]
    return [*shown, "..."] if len(found) > STRING_LIMIT else shown


def _left(value: Value, show: Structure) -> str | None:
    """Return what was left of the time, from a value that has it before and after."""
    return show.show(value[1]) if isinstance(value, list) and len(value) == 2 else None


def _result(value: int, parts: list[str]) -> str:
    return f"{value} ({', '.join(parts)})" if parts else str(value)


def poll_result(time: Structure | None) -> Returns:
    """Return how poll's result is shown: with what was found and, of a time by address, what is left."""

    def show(value: int, arguments: Arguments) -> str:
        if not value:
            return "0 (Timeout)"
        found = _found_by_poll(arguments)
        parts = [f"[{', '.join(found)}]"] if found else []
        left = _left(arguments.get("tmo_p"), time) if time is not None else None
        return _result(value, [*parts, f"left {left}"] if left is not None else parts)

    return Returns(show)


def timeout(one: Structure) -> Kind:
    """Return the kind of a time to wait that the kernel counts down: before the call, or before and after."""

    def choose(arch: Architecture) -> Reader:
        layout = one.layout(arch)
        return lambda task, value, _raw: read_structure(task, value, layout)

    def choose_late(arch: Architecture) -> LateReader:
        layout = one.layout(arch)

        def late(task: Task, value: int, _raw: RawArguments, _result: int, before: Value) -> Value:
            return [before, read_structure(task, value, layout)] if value else before

        return late

    def show(value: Value) -> str:
        return one.show(value[0] if isinstance(value, list) else value)

    return Kind(choose, show, late=choose_late)


def _descriptors(task: Task, address: int, raw: RawArguments, word: int) -> Value:
    """Return the descriptors of an fd_set as far as select's first argument goes."""
    count = max(0, min(signed32(raw[0]), 1 << 20))
    size = -(-count // (8 * word)) * word
    if not address or not size:
        return pointer(address)
    data = task.read(address, size)
    if len(data) < size:
        return unreadable(address)
    mask = int.from_bytes(data, "little") & ((1 << count) - 1)
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def _set_reader(arch: Architecture) -> Reader:
    word = arch.word
    return lambda task, value, raw: _descriptors(task, value, raw, word)


def _set_late(arch: Architecture) -> LateReader:
    word = arch.word

    def late(task: Task, value: int, raw: RawArguments, _result: int, before: Value) -> Value:
        after = _descriptors(task, value, raw, word)
        return {"watched": before, "ready": after} if isinstance(after, list) else before

    return late


def _show_set(value: Value) -> str:
    if isinstance(value, dict) and "watched" in value:
        value = value["watched"]
    return f"[{' '.join(map(str, value))}]" if isinstance(value, list) else show_address(value)


DESCRIPTOR_SET = Kind(_set_reader, _show_set, late=_set_late)
_SETS = (("in", "readfds"), ("out", "writefds"), ("except", "exceptfds"))


def select_result(time: Structure) -> Returns:
    """Return how select's result is shown: the descriptors that are ready, and the time left."""

    def show(value: int, arguments: Arguments) -> str:
        if not value:
            return "0 (Timeout)"
        parts = []
        for word, name in _SETS:
            found = arguments.get(name)
            if isinstance(found, dict) and found.get("ready"):
                parts.append(f"{word} [{' '.join(map(str, found['ready']))}]")
        left = _left(arguments.get("timeout"), time)
        return _result(value, [*parts, f"left {left}"] if left is not None else parts)

    return Returns(show)


_EPOLL_EVENTS = flags(table.EPOLL_EVENTS, "EPOLL???")


def _show_event(value: Value) -> str:
    if not isinstance(value, dict) or "events" not in value:
        return show_address(value)
    data = value["data"]
    return f"{{events={_EPOLL_EVENTS.show(value['events'])}, data={{u32={data & 0xFFFFFFFF}, u64={data}}}}}"


# struct epoll_event is packed on x86 (<linux/eventpoll.h>), so the two halves of its data are put together here.
_PACKED = ("x86_64", "i386")


def _event(task: Task, data: bytes, arch: Architecture) -> dict[str, Value]:  # noqa: ARG001  (as a layout's)
    start = 4 if arch.name in _PACKED or arch.align_64 == 4 else 8
    return {
        "events": split_flags(int.from_bytes(data[:4], "little"), table.EPOLL_EVENTS),
        "data": int.from_bytes(data[start : start + 8], "little"),
    }


def _event_size(arch: Architecture) -> int:
    return 12 if arch.name in _PACKED else 16


def _given_event(arch: Architecture) -> Reader:
    size = _event_size(arch)

    def read(task: Task, value: int, raw: RawArguments) -> Value:
        if raw[1] == 2 or not value:  # EPOLL_CTL_DEL looks at none
            return pointer(value)
        data = task.read(value, size)
        return _event(task, data, arch) if len(data) == size else unreadable(value)

    return read


def _found_events(arch: Architecture) -> LateReader:
    size = _event_size(arch)

    def late(task: Task, value: int, _raw: RawArguments, result: int, before: Value) -> Value:
        data = task.read(value, size * result) if value and result else b""
        if not value or len(data) < size * result:
            return before
        return [_event(task, data[start : start + size], arch) for start in range(0, len(data), size)]

    return late


EPOLL_EVENT = Kind(_given_event, _show_event)
EPOLL_FOUND = ADDRESS._replace(late=_found_events, show=shown_list(_show_event), shown_late=True)
