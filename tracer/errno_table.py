"""Which errors of a system call are documented, and which occurred: computed from the document and from records."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tracer.claims.model import ErrorsOf
from tracer.manual.errnos import same_errno
from tracer.selectors import Record


@dataclass
class Failures:
    """How a call failed in the experiments of a run.

    Attributes:
        call: its name.
        failures: every failed call but those that give back what an init function returned.
        undocumented: experiment and errno → the first such call.
    """

    call: str
    failures: tuple[Record, ...] = ()
    undocumented: dict[tuple[str, str], Record] = field(default_factory=dict)

    def in_words(self) -> str:
        """Say which undocumented errors occurred where; or which errors there were, when all are documented."""
        by_name: dict[str, list[str]] = {}
        for experiment, name in self.undocumented:
            by_name.setdefault(name, []).append(experiment)
        if not by_name:
            names = sorted({str(record["errno"]) for record in self.failures})
            return f"{self.call}() failed with {', '.join(names)} and with nothing else"
        told = [f"{name} (experiments {', '.join(sorted(where))})" for name, where in sorted(by_name.items())]
        return f"{self.call}() also failed with {', '.join(told)}"


def undocumented(call: str, documented: Sequence[str], records: Mapping[str, Sequence[Record]]) -> Failures:
    """Return a call's failures in the experiments of a run, and which of them are not documented."""
    found = Failures(call)
    for experiment, trace in records.items():
        for record in failures_of(call, trace):
            found.failures += (record,)
            name = str(record["errno"])
            if not any(same_errno(name, other) for other in documented):
                found.undocumented.setdefault((experiment, name), record)
    return found


def failures_of(call: str, trace: Sequence[Record]) -> list[Record]:
    """Return the failed calls of a trace; without those that return what the module's init function did."""
    returned = {
        -record["fields"]["ret"]
        for record in trace
        if record.get("type") == "kernel_event" and record.get("name") == "initcall_finish"
        and isinstance(record.get("fields", {}).get("ret"), int)
    }  # fmt: skip
    return [
        record
        for record in trace
        if record.get("type") == "syscall"
        and record.get("name") == call
        and record.get("errno")
        and getattr(errno, str(record["errno"]), None) not in returned
    ]


class Row(NamedTuple):
    """An error of a call: whether the document lists it, and the experiments in which it occurred."""

    call: str
    name: str
    documented: bool
    occurred: tuple[str, ...]


def rows(errors: ErrorsOf, runs: Sequence[Mapping[str, Sequence[Record]]]) -> list[Row]:
    """Return a call's errors, the documented ones in the document's order, then those it does not list.

    Args:
        errors: the call and what is documented.
        runs: for each run, the records of each experiment.
    """
    where: dict[str, dict[str, None]] = {}
    for run in runs:
        for experiment, trace in run.items():
            for record in failures_of(errors.call, trace):
                where.setdefault(str(record["errno"]), {})[experiment] = None
    found = []
    for name in errors.documented:
        alike = [other for other in where if same_errno(name, other)]
        experiments = dict.fromkeys(one for other in alike for one in where.pop(other))
        found.append(Row(errors.call, name, documented=True, occurred=tuple(experiments)))
    undocumented_ones = sorted(where.items())
    return found + [Row(errors.call, name, documented=False, occurred=tuple(one)) for name, one in undocumented_ones]


def as_lines(table: Sequence[Row]) -> list[str]:
    """Return the table as text, a line an error: what is documented and did not occur, and the reverse, stand out."""
    lines = []
    for row in table:
        seen = f"occurred: {', '.join(row.occurred)}" if row.occurred else "did not occur"
        told = "documented" if row.documented else "NOT documented"
        lines.append(f"{row.call}() {row.name}: {told}, {seen}")
    return lines
