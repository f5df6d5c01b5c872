"""What a record is to who makes and takes them; the format and its rules are in `tracer.records`, slower to import."""

from __future__ import annotations

from pyinsmod.lean import Any, Callable

SCHEMA = 1
Record = dict[str, Any]
Sink = Callable[[Record], None]
