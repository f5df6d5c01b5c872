"""What changed since an earlier report: verdicts, what really happened, runs and claims that came or went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from pyinsmod.text import printable, shortened
from tracer.errors import TracerError
from tracer.report.grouping import in_short, shape
from tracer.report.json_report import SCHEMA
from tracer.report.model import GLYPHS, Report

BROKE = "harness-broke"
_RUN_KEYS = ("kernel", "release", "loader", "loader_version")


class UnfitBaseline(TracerError):
    """A file that cannot be compared with: unreadable, not a report of `validate --json`, or of another document."""


class Change(NamedTuple):
    """What a claim was and is in some runs; `was` and `now` are verdicts or sentences."""

    claim: str
    runs: tuple[str, ...]
    was: str
    now: str


@dataclass(frozen=True)
class Drift:
    """What changed.

    Attributes:
        runs: lines about runs that came, went, or have another release or loader version.
        claims: lines about claims that came or went.
        verdicts: claims judged otherwise; what a broken harness hides or hid is not among them.
        realities: claims judged as before, for which something else happened.
        broke: claims that cannot be compared because a machine or a trace was lost, then or now.
        every: the runs both reports have.
    """

    runs: tuple[str, ...]
    claims: tuple[str, ...]
    verdicts: tuple[Change, ...]
    realities: tuple[Change, ...]
    broke: tuple[Change, ...]
    every: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether a verdict changed."""
        return bool(self.verdicts)


def read_baseline(path: Path, document: Path) -> Mapping[str, Any]:
    """Read an earlier `validate --json` of the same document.

    Raises:
        UnfitBaseline: it is none; the message is one line and names the file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise UnfitBaseline(f"{path}: {failure.strerror}") from failure
    except (ValueError, RecursionError) as failure:
        raise UnfitBaseline(f"{path}: not JSON: {failure}") from failure
    problem = _problem(found, document)
    if problem:
        raise UnfitBaseline(f"{path}: {problem}")
    return dict(found)


def drift(baseline: Mapping[str, Any], report: Report) -> Drift:
    """Compare a report with an earlier one, as `read_baseline` returned it."""
    before = {f"{run['kernel']}/{run['loader']}": run for run in baseline["runs"]}
    now = {run.name: run for run in report.runs}
    every = tuple(name for name in now if name in before)
    changes = list(_changes(baseline, report, every))
    return Drift(
        tuple(_about_runs(before, {name: {key: getattr(run, key) for key in _RUN_KEYS} for name, run in now.items()})),
        tuple(_about_claims([one["id"] for one in baseline["claims"]], [one.claim.id for one in report.verdicts])),
        tuple(change for kind, change in changes if kind == "verdict"),
        tuple(change for kind, change in changes if kind == "reality"),
        tuple(change for kind, change in changes if kind == "broke"),
        every,
    )


def as_lines(found: Drift) -> Iterator[str]:
    """Yield what changed, a line each, verdicts first; the last line counts."""
    for change in (*found.verdicts, *found.broke):
        yield f"{_where(change, found)}: {_verdict(change.was)} → {_verdict(change.now)}"
    for change in found.realities:
        yield f"{_where(change, found)}: as before, but in reality:"
        yield f"  was: {shortened(printable(change.was))}"
        yield f"  now: {shortened(printable(change.now))}"
    yield from map(printable, (*found.claims, *found.runs))
    yield summary(found)


def summary(found: Drift) -> str:
    """Return the counts on one line."""
    parts = [
        _counted(len({change.claim for change in found.verdicts}), "claim", "judged otherwise"),
        _counted(len({change.claim for change in found.realities}), "claim", "with another reality"),
        _counted(len({change.claim for change in found.broke}), "claim", "not comparable, for the harness broke"),
        _counted(len(found.claims), "claim", "more or less"),
        "other runs or versions" if found.runs else "",
    ]
    told = ", ".join(part for part in parts if part)
    runs = f"{len(found.every)} run{'s' * (len(found.every) != 1)}"
    return f"since the baseline, in {runs}: {told or 'nothing changed'}"


def _problem(found: object, document: Path) -> str | None:
    """Say what makes a file unfit as a baseline, None when it is fit."""
    if not isinstance(found, dict) or "schema" not in found:
        return "not a report of validate --json"
    if found["schema"] != SCHEMA:
        return f"schema {printable(str(found['schema']))}, this program reads {SCHEMA}"
    if not _is_report(found):
        return "not a whole report of validate --json"
    if Path(found["document"]).name != document.name:
        return f"a report about {Path(found['document']).name}, not about {document.name}"
    return None


def _is_report(found: Mapping[str, Any]) -> bool:
    runs, claims = found.get("runs"), found.get("claims")
    return (
        isinstance(found.get("document"), str)
        and isinstance(runs, list)
        and isinstance(claims, list)
        and all(isinstance(run, dict) and all(isinstance(run.get(key), str) for key in _RUN_KEYS) for run in runs)
        and all(
            isinstance(claim, dict)
            and isinstance(claim.get("id"), str)
            and all(_is_texts(claim.get(key, {})) for key in ("by_run", "realities"))
            for claim in claims
        )
    )


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(one, str) for one in value.values())


def _changes(baseline: Mapping[str, Any], report: Report, every: tuple[str, ...]) -> Iterator[tuple[str, Change]]:
    before = {claim["id"]: claim for claim in baseline["claims"]}
    releases = {run.name: run.release for run in report.runs}
    releases_before = {f"{run['kernel']}/{run['loader']}": run["release"] for run in baseline["runs"]}
    for verdict in report.verdicts:
        old = before.get(verdict.claim.id)
        if old is None:
            continue
        groups: dict[tuple[str, str, str], list[str]] = {}
        for name in every:
            one, was = verdict.by_run.get(name), old.get("by_run", {}).get(name)
            if one is None or was is None:
                continue
            told = old.get("realities", {}).get(name)
            if was != one.verdict:
                kind = "broke" if BROKE in {was, one.verdict} else "verdict"
                groups.setdefault((kind, was, one.verdict), []).append(name)
            elif told is not None and shape(told, releases_before[name]) != shape(one.reality, releases[name]):
                groups.setdefault(("reality", told, one.reality), []).append(name)
        for (kind, was, new), names in groups.items():
            yield kind, Change(verdict.claim.id, tuple(names), was, new)


def _about_runs(before: Mapping[str, Mapping[str, str]], now: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    went = [name for name in before if name not in now]
    came = [name for name in now if name not in before]
    if went:
        yield f"no longer run: {in_short(went, tuple(before)) if len(went) < len(before) else ', '.join(went)}"
    if came:
        yield f"newly run: {in_short(came, tuple(now)) if len(came) < len(now) else ', '.join(came)}"
    both = [name for name in now if name in before]
    kernels = dict.fromkeys((now[n]["kernel"], before[n]["release"], now[n]["release"]) for n in both)
    loaders = dict.fromkeys((now[n]["loader"], before[n]["loader_version"], now[n]["loader_version"]) for n in both)
    for what, was, new in (*kernels, *loaders):
        if was != new:
            yield f"{what}: {was} → {new}"


def _about_claims(before: list[str], now: list[str]) -> Iterator[str]:
    yield from (f"{claim}: no longer claimed" for claim in before if claim not in now)
    yield from (f"{claim}: newly claimed" for claim in now if claim not in before)


def _where(change: Change, found: Drift) -> str:
    return printable(f"{change.claim}, {in_short(change.runs, found.every)}")


def _verdict(verdict: str) -> str:
    glyph = {str(name): glyph for name, glyph in GLYPHS.items()}.get(verdict)
    return f"{glyph} {verdict}" if glyph else printable(verdict)


def _counted(number: int, what: str, how: str) -> str:
    return f"{number} {what}{'s' * (number != 1)} {how}" if number else ""
