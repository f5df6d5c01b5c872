"""Reads the tables `[[claims]]` and `[[moments]]` of a claims file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from tracer import selectors
from tracer.claims.experiment_tables import check_faults, check_init
from tracer.claims.model import Claim, ClaimTest
from tracer.claims.moments import Moment
from tracer.claims.quotes import Sections
from tracer.claims.wrong import NUMBER, TABLE, TABLES, TEXT, TEXTS, YES_NO, Wrong, of_kinds, texts_in
from tracer.experiments import preparations
from tracer.selectors import Selector

SELECTOR_KEYS = ("given", "given_any", "see", "any", "never", "order", "instead")
TEST_KEYS: Mapping[str, str] = {
    "experiment": TEXT,
    "when": TABLE,
    "optional": YES_NO,
    **dict.fromkeys(SELECTOR_KEYS, TABLES),
}
CLAIM_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("id", "row", "quote", "says"), TEXT),
    "step": NUMBER,
    "words": TABLE,
    "where_quoted": YES_NO,
    "tests": TABLES,
}
MOMENT_KEYS: Mapping[str, str] = {
    **dict.fromkeys(("id", "quote", "says", "experiment"), TEXT),
    "seen": TABLE,
    "faults": TEXTS,
    "init": TABLE,
    "with": TEXTS,
    "complains": TABLES,
}


def read_claim(table: object, sections: Sections) -> Claim | None:
    """Return a claim, with its place in the document and the words that the document puts into its quote.

    Returns:
        None for a claim that is made `where_quoted` only, of a document that does not say it.

    Raises:
        Wrong: it has a mistake, or the document does not say what it quotes.
    """
    known = of_kinds(table, CLAIM_KEYS)
    texts_in(known, "id", "quote", "says")
    if not known.get("tests"):
        raise Wrong("'tests' is missing, or empty", "tests")
    of_kinds(known.get("words", {}), dict.fromkeys(known.get("words", {}), TEXTS))
    found = sections.find(known["quote"], known.get("words", {}), known.get("step"), known.get("row"))
    if found is None and known.get("where_quoted"):
        return None
    if found is None:
        raise Wrong(f"the document does not say {known['quote']!r} (any more)", "quote")
    tables = [of_kinds(test, TEST_KEYS) for test in known["tests"]]
    tests = tuple(_test(test, found.words) for test in tables if _chosen(test, found.words))
    if not tests:
        raise Wrong(f"there is no test for what the document says: {dict(found.words)}", "tests")
    step = None if known.get("step") is None else sections.step_at(found.start) or known["step"]
    says = selectors.substituted(known["says"], found.words)
    return Claim(known["id"], step, known.get("row"), found.text, says, tests)


def read_moment(table: object, sections: Sections, experiments: Collection[str]) -> Moment:
    """Return a moment, without a place if the document does not tell it; `experiments` are those there are.

    Raises:
        Wrong: it has a mistake.
    """
    known = of_kinds(table, MOMENT_KEYS)
    texts_in(known, "id", "quote", "says")
    check_faults(known.get("faults", ()))
    check_init(known.get("init", {}))
    experiment = known.get("experiment", "load")
    if "seen" in known and experiment not in experiments:
        raise Wrong(f"there is no experiment '{experiment}'", experiment)
    seen = known.get("seen")
    complains = _selectors(known.get("complains", ()))
    found = sections.find(known["quote"], {})
    return Moment(
        id=known["id"],
        quote=known["quote"],
        says=known["says"],
        place=None if found is None else found.start,
        step=None if found is None else sections.step_at(found.start),
        experiment=experiment,
        seen=None if seen is None else _selectors([seen])[0],
        faults=tuple(known.get("faults", ())),
        init=known.get("init", {}),
        preparations=_preparations(known),
        complains=complains,
    )


def _preparations(table: Mapping[str, Any]) -> tuple[str, ...]:
    for name in table.get("with", ()):
        problem = preparations.problem_of(name)
        if problem:
            raise Wrong(problem, name)
    return tuple(table.get("with", ()))


def _chosen(test: Mapping[str, Any], words: Mapping[str, str]) -> bool:
    """Tell whether a test is about what the document has in the open places of the quote."""
    return all(words.get(name) == word for name, word in test.get("when", {}).items())


def _test(known: Mapping[str, Any], words: Mapping[str, str]) -> ClaimTest:
    found = {key: _selectors(known.get(key, ()), words) for key in SELECTOR_KEYS}
    if not any(found[key] for key in ("see", "any", "never", "order")):
        raise Wrong("a test must see something, never see something, or put things in order", "tests")
    if found["never"] and not any(found[key] for key in ("see", "any", "order", "given", "given_any")):
        raise Wrong("'never' alone holds for an empty trace: say with 'given' what must have happened", "never")
    return ClaimTest(
        experiment=known.get("experiment", ""),
        given=found["given"],
        given_any=found["given_any"],
        see=found["see"],
        any=found["any"],
        never=found["never"],
        order=found["order"],
        instead=found["instead"],
        optional=known.get("optional", False),
    )


def _selectors(tables: Iterable[Any], words: Mapping[str, str] | None = None) -> tuple[Selector, ...]:
    """Return selectors with the document's words in them, after a look at how they are written."""
    found = []
    for selector in tables:
        for problem in selectors.problems_of(selector):
            raise Wrong(problem, problem.split("'")[1] if problem.count("'") > 1 else None)
        found.append({key: selectors.substituted(value, words or {}) for key, value in selector.items()})
    return tuple(found)
