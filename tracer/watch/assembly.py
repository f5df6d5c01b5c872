"""Events that belong together → one record for each load, removal and request. Pure: no clock, no files.

Each record has `t` (nanoseconds of CLOCK_MONOTONIC, the call's entry), `duration`, the process (`pid`, `comm`, `exe`,
`argv`) with its `parents`, and

- `load`: `module` (None: not even its file is known), `file`, `parameters` (None: not known), `call`, `result`
  (`loaded`, `init-failed` or `refused`), `errno`, `init_return` (None: init was not called), `asked_for` (what modprobe
  got for a name, an alias perhaps) and `requested_by` (who made the kernel ask for it: request_module), if anybody;
- `removal`: `module`, `call`, `result` (`removed` or `refused`), `errno`;
- `request`: `alias`, for which the kernel starts modprobe.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from errno import errorcode
from typing import Any, Protocol

from tracer.escapes import escaped
from tracer.kernel_side.module_names import MODULE_FILE, name_of_file
from tracer.watch.kernel_events import Detail, Entered, KernelEvent, Left
from tracer.watch.processes import Process

Record = dict[str, Any]

#: Nanoseconds after which a request is forgotten whose modprobe has not come.
REQUEST_LIFE = 60_000_000_000
_MODPROBE = "modprobe"


class People(Protocol):
    """Who is who; see `tracer.watch.processes`."""

    def chain(self, pid: int) -> Sequence[Process]:
        """Return a process and its ancestors."""

    def opened(self, pid: int, descriptor: int) -> str | None:
        """Return the path behind a descriptor of a process, while it has it."""


@dataclass
class _Call:
    """A module call under way."""

    entered: Entered
    chain: Sequence[Process]
    file: str | None
    details: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class Assembly:
    """Takes events in the order of their time; yields records as they are complete."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._calls: dict[int, _Call] = {}
        self._requests: dict[str, Record] = {}

    def take(self, event: KernelEvent) -> Iterator[Record]:
        """Yield the record that is complete with this event, if any."""
        if isinstance(event, Entered):
            file = None if event.descriptor is None else self._people.opened(event.pid, event.descriptor)
            self._calls[event.pid] = _Call(event, self._people.chain(event.pid), file)
        elif isinstance(event, Left):
            call = self._calls.pop(event.pid, None)
            if call is not None:
                yield self._removal(call, event) if event.call == "delete_module" else self._load(call, event)
        elif event.name == "module_request":
            yield self._request(event)
        else:
            yield from self._detail(event)

    def _detail(self, event: Detail) -> Iterator[Record]:
        call = self._calls.get(event.pid)
        if call is not None:
            call.details[event.name] = event.values
        elif event.name == "module_load":  # its call was entered before we watched, or by a way without tracepoint
            yield {**self._common("load", event), **_loaded(event), "parameters": None, "duration": None}

    def _common(self, kind: str, event: Entered | Detail, chain: Sequence[Process] | None = None) -> Record:
        process, *parents = chain or self._people.chain(event.pid)
        return {
            "type": kind,
            "t": event.t,
            "pid": event.pid,
            "comm": escaped(event.comm.encode("utf-8", "surrogateescape")),
            "exe": process.executable,
            "argv": list(process.arguments),
            "parents": [{"pid": one.pid, "comm": one.comm, "argv": list(one.arguments)} for one in parents],
        }

    def _load(self, call: _Call, left: Left) -> Record:
        details = call.details
        common = self._common("load", call.entered, call.chain)
        module = details.get("module_load", {}).get("module") or _from_file(call.file or _file_word(common["argv"]))
        returned = details.get("initcall_finish", {}).get("ret")
        failed = "init-failed" if returned is not None and returned < 0 else "refused"
        return {
            **common,
            "duration": left.t - call.entered.t,
            "call": left.call,
            "module": module,
            "file": call.file,
            "parameters": details.get("load_module", {}).get("uargs"),
            "result": "loaded" if left.result >= 0 else failed,
            "errno": _errno(left.result),
            "init_return": returned,
            "asked_for": _asked_for(call.chain[0]),
            "requested_by": self._requester(call.chain, left.t),
        }

    def _removal(self, call: _Call, left: Left) -> Record:
        details = call.details
        name = details.get("module_free", {}).get("module") or details.get("delete_module", {}).get("name")
        common = self._common("removal", call.entered, call.chain)
        words = [word for word in common["argv"][1:] if not word.startswith("-")]
        return {
            **common,
            "duration": left.t - call.entered.t,
            "call": left.call,
            "module": name or (_from_file(words[0]) if len(words) == 1 else None),
            "result": "removed" if left.result >= 0 else "refused",
            "errno": _errno(left.result),
        }

    def _request(self, event: Detail) -> Record:
        record = {**self._common("request", event), "alias": event.values["alias"]}
        self._requests = {alias: one for alias, one in self._requests.items() if event.t - one["t"] < REQUEST_LIFE}
        self._requests[record["alias"]] = record
        return record

    def _requester(self, chain: Sequence[Process], now: int) -> Record | None:
        """Return who made the kernel start the modprobe in the chain, whose argument is the alias."""
        for process in chain:
            request = self._requests.get(process.arguments[-1]) if process.arguments else None
            if request is not None and now - request["t"] < REQUEST_LIFE:
                return {key: request[key] for key in ("alias", "pid", "comm", "argv")}
        return None


def _loaded(event: Detail) -> Record:
    return {
        "call": None, "module": event.values.get("module"), "file": None, "result": "loaded", "errno": None,
        "init_return": None, "asked_for": None, "requested_by": None,
    }  # fmt: skip


def _asked_for(process: Process) -> str | None:
    """Return the name modprobe was given; None for other programs, which are given files."""
    words = process.arguments
    if not words or all(word.rpartition("/")[2] != _MODPROBE for word in words[:2]):
        return None
    at = next(number for number, word in enumerate(words) if word.rpartition("/")[2] == _MODPROBE)
    return next((word for word in words[at + 1 :] if not word.startswith("-")), None)


def _file_word(words: Sequence[str]) -> str | None:
    return next((word for word in words if MODULE_FILE.search(word)), None)


def _from_file(path: str | None) -> str | None:
    return None if path is None else name_of_file(path.rpartition("/")[2])


def _errno(result: int) -> str | None:
    return None if result >= 0 else errorcode.get(-result, str(-result))
