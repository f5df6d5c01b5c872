"""`pyinsmod watch`: every load and removal of a module on this system, as it happens."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pyinsmod.cli.arguments import ArgumentParser, positive_seconds, positive_whole
from pyinsmod.cli.terminal import EXIT_USAGE, complain, note
from pyinsmod.text import printable
from tracer.errors import Interrupted, KernelSideUnavailable

if TYPE_CHECKING:
    from tracer.watch.watching import Watch

SCHEMA = 1
Record = dict[str, Any]


def run(argv: Sequence[str]) -> int:
    """Watch until ^C or until what was asked for came; 0, or 2 when this system cannot be watched."""
    options = parser().parse_args(argv)
    shown = Shown(as_json=options.json)
    try:
        _watch(options, shown)
    except KeyboardInterrupt:
        pass
    except KernelSideUnavailable as reason:
        complain(str(reason))
        return EXIT_USAGE
    except Interrupted as ended:
        complain(f"watch: ended by signal {ended.signal}")
        return 128 + ended.signal
    note(shown.summary())
    return 0


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser(
        "pyinsmod watch",
        "Show every load and removal of a kernel module on this system as it happens: by which process, "
        "asked for by whom, with which result. Needs root. ^C ends it.",
    )
    add = made.add_argument
    add("--json", action="store_true", help="one JSON object a line")
    add("-n", dest="number", type=positive_whole, metavar="N", help="end after N loads and removals")
    add("--seconds", type=positive_seconds, metavar="S", help="end after S seconds")
    add("--until-idle", type=positive_seconds, metavar="S", help="end when nothing has happened for S seconds")
    return made


def _watch(options: argparse.Namespace, shown: Shown) -> None:
    from tracer.watch.watching import Watch

    with Watch() as watch:
        if not options.json:
            note("watching module loads; ^C ends it")
        for record in _records(watch, options.seconds, options.until_idle):
            shown.show(record)
            if options.number and shown.calls >= options.number:
                break
        for line in watch.notes:
            note(line)


def _records(watch: Watch, seconds: float | None, idle: float | None) -> Iterator[Record]:
    """Yield records until the time is over, or nothing has come for `idle` seconds."""
    end = None if seconds is None else time.monotonic() + seconds
    while True:
        left = None if end is None else end - time.monotonic()
        if left is not None and left <= 0:
            return
        patience = min((limit for limit in (left, idle) if limit is not None), default=None)
        records = watch.wait(patience)
        if not records and idle is not None and patience == idle:
            return
        yield from records


class Shown:
    """Writes records to standard output and counts them."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._started = time.time_ns() - time.monotonic_ns()
        self._counts = {"load": 0, "removal": 0, "refused": 0}

    @property
    def calls(self) -> int:
        """How many loads and removals were shown."""
        return self._counts["load"] + self._counts["removal"]

    def show(self, record: Record) -> None:
        """Write one record; whoever reads along has it at once."""
        self._counts[record["type"]] = self._counts.get(record["type"], 0) + 1
        self._counts["refused"] += record.get("errno") is not None
        when = datetime.fromtimestamp((record["t"] + self._started) / 1e9, UTC)
        if self._as_json:
            print(json.dumps({"schema": SCHEMA, "time": when.isoformat(timespec="milliseconds"), **record}), flush=True)
        else:
            print(
                f"{when.astimezone():%H:%M:%S}.{when.microsecond // 1000:03d} {printable(sentence(record))}", flush=True
            )

    def summary(self) -> str:
        """Return what was seen in one line."""
        loads, removals, refused = (self._counts[key] for key in ("load", "removal", "refused"))
        return f"{loads} loads, {removals} removals, {refused} of them failed"


def sentence(record: Record) -> str:
    """Return a record in words, on one line."""
    return " ".join(part for part in _SENTENCES[record["type"]](record) if part)


def _load(record: Record) -> Iterator[str]:
    name = record["module"] or "a module"
    if record["result"] == "loaded":
        yield f"{_process(record)} loaded {name}"
    elif record["result"] == "refused":
        yield f"{_process(record)} could not load {name}: {record['errno']}"
    else:
        yield f"{_process(record)} could not load {name}: its init returned {record['init_return']} ({record['errno']})"
    if record["parameters"]:
        yield f"with '{record['parameters']}'"
    yield from _ending(record)
    if record["requested_by"]:
        request = record["requested_by"]
        yield f'for request_module("{request["alias"]}") by {_process(request)}'
    elif record["asked_for"] and record["asked_for"] != record["module"]:
        yield f"asked for as {record['asked_for']}"
    yield _parents(record)


def _removal(record: Record) -> Iterator[str]:
    name = record["module"] or "a module"
    removed = record["result"] == "removed"
    yield (
        f"{_process(record)} removed {name}"
        if removed
        else (f"{_process(record)} could not remove {name}: {record['errno']}")
    )
    yield from _ending(record)
    yield _parents(record)


def _request(record: Record) -> Iterator[str]:
    yield f"{_process(record)} makes the kernel ask modprobe for {record['alias']}"
    yield _parents(record)


_SENTENCES: dict[str, Callable[[Record], Iterator[str]]] = {"load": _load, "removal": _removal, "request": _request}


def _process(record: Record) -> str:
    return f"{record['comm']}[{record['pid']}]"


def _ending(record: Record) -> Iterator[str]:
    if record["duration"] is not None:
        yield f"in {record['duration'] / 1e6:.1f} ms"


def _parents(record: Record) -> str:
    names = [_process(one) for one in record["parents"]]
    return f"from {' < '.join(names)}" if names else ""
