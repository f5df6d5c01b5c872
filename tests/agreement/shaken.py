"""What became of the files that were loaded again on machines with other memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from pyinsmod.cli.reality import Reality
from tests.agreement.judge import answer_of
from tests.agreement.measure import Result
from tests.agreement.surroundings import EARLIER, SURROUNDINGS, Surroundings


def answered(reality: Reality) -> str:
    """Return the kernel's answer in a few words."""
    reached = ", after init was called" if reality.init_reached and reality.outcome != "loaded" else ""
    return " ".join(filter(None, (reality.outcome, reality.errno))) + reached


def all_answers(result: Result) -> str:
    """Return all answers to a file, how often each was given: `loaded 3, crashed-kernel 5`; one alone as it is."""
    if not result.elsewhere:
        return answered(result.reality)
    counts = Counter(answered(each) for each in (result.reality, *result.elsewhere.values()))
    return "; ".join(f"{answer} {count}" for answer, count in counts.items())


HEADING = "## How the memory was filled"


def shaken_head() -> Iterator[str]:
    """Yield the beginning of that part of the page."""
    yield HEADING
    yield ""
    yield "Each way by what any program of root's may do, maps of bpf(2), filters of sockets, modules, or by a word on"
    yield "the kernel's command line. *Otherwise* counts the files that were answered in another way than by the"
    yield "machine as it stands."
    yield ""


def shaken_lines(kernels: Sequence[Sequence[Result]]) -> Iterator[str]:
    """Yield how the memory was filled in a run, and what came of it."""
    results = [result for kernel in kernels for result in kernel if result.elsewhere]
    if not results:
        return
    control = [result for result in results if not result.verdict.undecided]
    unsteady = ", ".join(f"`{result.case.name}`" for result in control if result.differs)
    if control:
        yield f"For a control, {len(control)} files of which something definite was predicted were loaded so, too."
        yield f"Their answers must stay what they are, and {f'did not: {unsteady}' if unsteady else 'did'}."
    yield ""
    yield "| way | before the file is loaded | files left open | otherwise | control | otherwise |"
    yield "|---|---|---|---|---|---|"
    for each in SURROUNDINGS:
        found = [result for result in results if each.name in result.elsewhere]
        counts = [_counted(each, found, undecided=undecided) for undecided in (True, False)]
        if found:
            yield f"| {each.name} | {each.says} | {' | '.join(counts)} |"
    yield from _earlier(results)
    yield ""


def _counted(surroundings: Surroundings, found: Sequence[Result], *, undecided: bool) -> str:
    """Return how many files there were, and how many of them were answered otherwise than by the machine as it is."""
    of_kind = [result for result in found if result.verdict.undecided is undecided]
    answers = [(answer_of(each.reality), answer_of(each.elsewhere[surroundings.name])) for each in of_kind]
    return f"{len(of_kind)} | {sum(before != after for before, after in answers)}"


def _earlier(results: Sequence[Result]) -> Iterator[str]:
    """Yield the row of those that were loaded in earlier runs as well."""
    found = []
    for result in results:
        before = {answer_of(each) for name, each in result.elsewhere.items() if name.startswith(EARLIER)}
        found += [(answer_of(result.reality), before)] if before else []
    if found:
        differing = sum(before != {now} for now, before in found)
        yield f"| {EARLIER} | nothing: the machine was booted another time | {len(found)} | {differing} | 0 | 0 |"
