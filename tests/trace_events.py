"""What is wrong with a list of trace events, after the Trace Event Format: the oracle of the exporter's tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

NEEDED = {"X": ("name", "ts", "dur", "pid", "tid"), "i": ("name", "ts", "pid", "tid", "s"), "C": ("name", "ts", "pid")}
METADATA = {
    "process_name": "name", "thread_name": "name", "process_sort_index": "sort_index",
    "thread_sort_index": "sort_index",
}  # fmt: skip
ROUNDING = 0.001  # microseconds; times are written as binary fractions


def problems_of(events: list[dict[str, Any]]) -> list[str]:
    """Return what a viewer would trip over: unknown phases, missing keys, calls on one track that overlap."""
    return [*(problem for event in events for problem in _of_event(event)), *_overlaps(events)]


def _of_event(event: dict[str, Any]) -> Iterator[str]:
    phase = event.get("ph")
    if phase == "M":
        if not event["args"].get(METADATA[event["name"]]):
            yield f"metadata says nothing: {event}"
    elif phase not in NEEDED:
        yield f"unknown phase: {event}"
    else:
        yield from (f"no {key}: {event}" for key in NEEDED[phase] if key not in event)
        for key in ("ts", "dur"):
            if not isinstance(event.get(key, 0), int | float) or event.get(key, 0) < 0:
                yield f"{key} is no time: {event}"
        for key in ("pid", "tid"):
            if not isinstance(event.get(key, 1), int) or event.get(key, 1) <= 0:
                yield f"{key} is no number of a task: {event}"
    if phase == "i" and event["s"] not in {"g", "p", "t"}:
        yield f"unknown scope: {event}"


def _overlaps(events: list[dict[str, Any]]) -> Iterator[str]:
    tracks = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            tracks[event["pid"], event["tid"]].append(event)
    for track in tracks.values():
        running: list[float] = []
        for event in sorted(track, key=lambda one: (one["ts"], -one["dur"])):
            end = event["ts"] + event["dur"]
            while running and running[-1] <= event["ts"] + ROUNDING:
                running.pop()
            if running and end > running[-1] + ROUNDING:
                yield f"ends after the call around it: {event}"
            running.append(end)
