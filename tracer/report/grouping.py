"""Many runs in few words: what such a set of runs is called, and which of them tell the same.

Two runs tell the same when their sentences differ only in what differs from build to build: the kernel's release,
sizes, counts, numbers of processes. Where they differ in such a thing, the sentence for both has an ellipsis there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from tracer.compare import ClaimVerdict, Run, Verdict

SILENT: Verdict = "not-applicable"
BROKE: Verdict = "harness-broke"
ELLIPSIS = "…"
# Numbers of two digits and more; not a part of a name or a version, no errno, no exit status, no octal escape.
_NUMBER = r"(?<![\w.\\-])(?<!status )(?:0x[0-9a-f]{3,}|\d{2,})(?!\w|\.\d)"
_FAMILY = re.compile(r"(.+)-\d+")
_Part: TypeAlias = Callable[[str], str]


class Told(NamedTuple):
    """What some runs have in common: their names, their verdict and what really happened there."""

    runs: tuple[str, ...]
    verdict: Verdict
    reality: str


def kernel_of(run: str) -> str:
    """Return the kernel in a run's name."""
    return run.rpartition("/")[0]


def loader_of(run: str) -> str:
    """Return the loader in a run's name; no loader's name has a slash, a kernel given as a folder has."""
    return run.rpartition("/")[2]


def applicable(verdict: ClaimVerdict) -> tuple[str, ...]:
    """Return the runs that can do the claim's experiment; all of them when none can."""
    able = tuple(name for name, one in verdict.by_run.items() if one.verdict != SILENT)
    return able or tuple(verdict.by_run)


def answering(verdict: ClaimVerdict) -> tuple[str, ...]:
    """Return the runs in which the experiment was done and gave a trace; those that should have when there is none."""
    return tuple(name for name in applicable(verdict) if verdict.by_run[name].verdict != BROKE) or applicable(verdict)


def name_of(part: Told, verdict: ClaimVerdict) -> str:
    """Return a short name for the runs of a part: among those that answered, or else among all."""
    return in_short(part.runs, applicable(verdict) if part.verdict == BROKE else answering(verdict))


def told(verdict: ClaimVerdict, runs: Sequence[Run]) -> list[Told]:
    """Return what really happened, each thing once with the runs it is true of, in the order of the runs."""
    releases = {run.name: run.release for run in runs}
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in applicable(verdict):
        one = verdict.by_run[name]
        groups.setdefault((one.verdict, *shape(one.reality, releases.get(name, ""))), []).append(name)
    return [_told(verdict, names, releases) for names in groups.values()]


def reality(verdict: ClaimVerdict, runs: Sequence[Run]) -> str:
    """Return what really happened on one line, with the runs each part is true of when they differ."""
    parts = told(verdict, runs)
    if len(parts) == 1:
        return parts[0].reality
    return " | ".join(f"{name_of(part, verdict)}: {part.reality}" for part in parts)


def shape(text: str, release: str = "") -> tuple[str, ...]:
    """Return a sentence without what differs from build to build: the pieces between."""
    return tuple(_pieces(text, release)[::2])


def common(texts: Iterable[tuple[str, str]]) -> str:
    """Return one sentence for several of the same shape, given with their releases; what differs is an ellipsis."""
    split = [_pieces(text, release) for text, release in texts]
    return "".join(pieces[0] if len(set(pieces)) == 1 else ELLIPSIS for pieces in zip(*split, strict=True))


def in_short(chosen: Sequence[str], every: Sequence[str]) -> str:
    """Return a name for some of the runs, as short as it can be said: `7.2`, `all but busybox`, `6.1 (kmod, toybox)`.

    Args:
        chosen: names of runs, some of `every`.
        every: the runs there are, in the order in which they are named.
    """
    wanted = set(chosen)
    missing = [run for run in every if run not in wanted]
    if not missing:
        return "all"
    said = [_positive(wanted, every)]
    if len(every) > 2 and len(missing) < len(every) - len(missing):
        but = _positive(set(missing), every)
        if not but.startswith("all") and ";" not in but:
            said.append(f"all but {but}")
    return min(said, key=len)


def listed(some: Sequence[str], whole: Sequence[str]) -> str:
    """Return names of kernels or loaders in short: `all but busybox`, `every kmod, pyinsmod`."""
    missing = [name for name in whole if name not in some]
    if not missing and len(whole) > 1:
        return "all"
    said = [", ".join(_families(some, whole))]
    if len(whole) > 2 and len(missing) < len(some):
        said.append(f"all but {', '.join(_families(missing, whole))}")
    return min(said, key=len)


def _positive(wanted: set[str], every: Sequence[str]) -> str:
    if len(wanted) == 1 and min(len(set(map(kernel_of, every))), len(set(map(loader_of, every)))) > 1:
        return next(iter(wanted))
    by_kernel = _grouped(wanted, every, kernel_of, loader_of)
    by_loader = _grouped(wanted, every, loader_of, kernel_of)
    return min((by_kernel, by_loader), key=len)


def _grouped(wanted: set[str], every: Sequence[str], first: _Part, second: _Part) -> str:
    """Name runs by one half of their name; the other half stands in brackets where it does not go without saying."""
    seconds = tuple(dict.fromkeys(map(second, every)))
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(map(first, every)):
        there = [run for run in every if first(run) == name]
        inside = tuple(second(run) for run in there if run in wanted)
        if inside:
            groups.setdefault(() if len(inside) == len(there) else inside, []).append(name)
    firsts = tuple(dict.fromkeys(map(first, every)))
    parts = []
    for inside, names in groups.items():
        outside, within = listed(names, firsts), listed(inside, seconds) if inside else ""
        if inside and (outside == "all" or len(firsts) == 1):
            parts.append(within)
            continue
        if len(groups) > 1 or within.startswith("all but"):  # one exception in a name is enough
            outside = ", ".join(_families(names, firsts))
        parts.append(f"{outside} ({within})" if within else outside)
    return "; ".join(parts)


def _families(some: Sequence[str], whole: Sequence[str]) -> list[str]:
    """Return the names, versions of one program together when all of them are there: `every kmod`."""
    families: dict[str, set[str]] = {}
    for name in whole:
        versioned = _FAMILY.fullmatch(name)
        if versioned and versioned[1] in whole:
            families.setdefault(versioned[1], {versioned[1]}).add(name)
    whole_here = {member: head for head, members in families.items() if members <= set(some) for member in members}
    return list(dict.fromkeys(f"every {whole_here[name]}" if name in whole_here else name for name in some))


def _told(verdict: ClaimVerdict, names: Sequence[str], releases: Mapping[str, str]) -> Told:
    text = common((verdict.by_run[name].reality, releases.get(name, "")) for name in names)
    return Told(tuple(names), verdict.by_run[names[0]].verdict, text)


def _pieces(text: str, release: str) -> list[str]:
    """Split a sentence: what is the same in every build at the even places, what may differ at the odd ones."""
    pattern = f"({re.escape(release)}|{_NUMBER})" if release else f"({_NUMBER})"
    return re.split(pattern, text)
