"""A document's claims: what it says, which experiment shows it, and what must be seen. Read and checked here.

The format is described in docs/claims-format.md. Nothing in it is a verdict: those are computed from records.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracer import selectors
from tracer.errors import MalformedClaims
from tracer.selectors import Selector

SCHEMA = 1
DEFAULT_FILE = "mymod.ko"
TEST_KEYS = {"experiment", "given", "see", "any", "never", "order", "instead"}
CLAIM_KEYS = {"id", "step", "row", "quote", "says", "tests"}
EXPERIMENT_KEYS = {"about", "modules", "file", "prepare", "afterwards", "refused", "survey", "kernel_only"}


@dataclass(frozen=True)
class Experiment:
    """Something that is done with a loader in a fresh machine.

    Attributes:
        name: its key in the file.
        about: one line for people.
        modules: file name → how the module is made (see tracer.experiments).
        file: the module the loader is given.
        prepare: commands run first, untraced.
        afterwards: shell commands run after the loader, traced with it.
        refused: the kernel may refuse: a loader that predicts is told to ask it nevertheless.
        survey: nothing is loaded; every module of the kernel's package is looked at instead.
        kernel_only: what it shows is the kernel's doing alone, so one loader per kernel settles it.
    """

    name: str
    about: str
    modules: Mapping[str, Mapping[str, Any]]
    file: str = DEFAULT_FILE
    prepare: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    refused: bool = False
    survey: bool = False
    kernel_only: bool = False


@dataclass(frozen=True)
class ClaimTest:
    """What the records of one experiment must show for a claim to hold.

    Attributes:
        experiment: whose records.
        given: without a match of each, the experiment did not get far enough to tell.
        see: each must match a record.
        any: at least one must match a record.
        never: none may match a record.
        order: the first matches must come one after the other.
        instead: what to show as reality when the test fails.
    """

    experiment: str
    given: tuple[Selector, ...] = ()
    see: tuple[Selector, ...] = ()
    any: tuple[Selector, ...] = ()
    never: tuple[Selector, ...] = ()
    order: tuple[Selector, ...] = ()
    instead: tuple[Selector, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One thing a document says.

    Attributes:
        id: stable name.
        step: the step it stands in, or None.
        row: the failure table's row, `F1` …, or None.
        quote: words that occur verbatim in the document.
        says: the claim in a sentence of its own.
        tests: all must hold.
    """

    id: str
    step: int | None
    row: str | None
    quote: str
    says: str
    tests: tuple[ClaimTest, ...]


@dataclass(frozen=True)
class Claims:
    """A claims file and the document it belongs to."""

    document: Path
    text: str
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()


def claims_path(document: Path) -> Path:
    """Return where a document's claims are looked for: beside it, `NAME.claims.toml`."""
    return document.with_name(f"{document.stem}.claims.toml")


def read_claims(document: Path) -> Claims:
    """Read a document and its claims.

    Raises:
        MalformedClaims: a file is missing or unreadable, a key is wrong, or a quote is not in the document.
    """
    path = claims_path(document)
    try:
        text = document.read_text()
        raw = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise MalformedClaims(f"{path}: {error}") from error
    except (OSError, UnicodeDecodeError) as failure:
        raise MalformedClaims(f"{getattr(failure, 'filename', None) or path}: {_reason(failure)}") from failure
    reader = _Reader(path)
    experiments = {name: reader.experiment(name, table) for name, table in raw.get("experiments", {}).items()}
    claims = tuple(reader.claim(number, table) for number, table in enumerate(raw.get("claims", ()), 1))
    reader.check_whole(raw, text, experiments, claims)
    return Claims(document, text, experiments, claims)


def _reason(failure: Exception) -> str:
    return str(getattr(failure, "strerror", None) or "is not UTF-8 text")


class _Reader:
    """Turns tables into claims; every complaint names the file and the table."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def experiment(self, name: str, table: Mapping[str, Any]) -> Experiment:
        where = f"[experiments.{name}]"
        self._known_keys(where, table, EXPERIMENT_KEYS)
        return Experiment(
            name=name,
            about=str(table.get("about", "")),
            modules=dict(table.get("modules", {})),
            file=str(table.get("file", DEFAULT_FILE)),
            prepare=tuple(table.get("prepare", ())),
            afterwards=tuple(table.get("afterwards", ())),
            refused=bool(table.get("refused", False)),
            survey=bool(table.get("survey", False)),
            kernel_only=bool(table.get("kernel_only", False)),
        )

    def claim(self, number: int, table: Mapping[str, Any]) -> Claim:
        where = f"claim {table.get('id', f'number {number}')!r}"
        self._known_keys(where, table, CLAIM_KEYS)
        for key in ("id", "quote", "says", "tests"):
            if not table.get(key):
                self._complain(where, f"'{key}' is missing")
        tests = tuple(self._test(where, test) for test in table["tests"])
        return Claim(
            table["id"], table.get("step"), table.get("row"), table["quote"], table["says"], tests
        )  # fmt: skip

    def _test(self, where: str, table: Mapping[str, Any]) -> ClaimTest:
        self._known_keys(where, table, TEST_KEYS)
        lists = {key: tuple(table.get(key, ())) for key in TEST_KEYS - {"experiment"}}
        for key, found in lists.items():
            for selector in found:
                for problem in selectors.problems_of(selector):
                    self._complain(f"{where}, {key}", problem)
        if not any(lists[key] for key in ("see", "any", "never", "order")):
            self._complain(where, "a test must see something, never see something, or put things in order")
        if lists["never"] and not any(lists[key] for key in ("see", "any", "order", "given")):
            self._complain(where, "'never' alone holds for an empty trace: say with 'given' what must have happened")
        return ClaimTest(experiment=str(table.get("experiment", "")), **lists)

    def check_whole(
        self,
        raw: Mapping[str, Any],
        text: str,
        experiments: Mapping[str, Experiment],
        claims: tuple[Claim, ...],
    ) -> None:
        """Check what needs the whole file: schema, unique ids, known experiments, quotes in the document."""
        self._known_keys("the file", raw, {"schema", "experiments", "claims"})
        if raw.get("schema") != SCHEMA:
            self._complain("the file", f"schema = {SCHEMA} is the one this program reads")
        seen: set[str] = set()
        for claim in claims:
            if claim.id in seen:
                self._complain(f"claim {claim.id!r}", "the id is used twice")
            seen.add(claim.id)
            if claim.quote not in text:
                self._complain(f"claim {claim.id!r}", f"the document does not say {claim.quote!r} (any more)")
            for test in claim.tests:
                if test.experiment not in experiments:
                    self._complain(f"claim {claim.id!r}", f"there is no experiment {test.experiment!r}")

    def _known_keys(self, where: str, table: Mapping[str, Any], known: set[str]) -> None:
        if not isinstance(table, Mapping):
            self._complain(where, "is not a table")
        unknown = sorted(set(table) - known)
        if unknown:
            self._complain(where, f"unknown key {unknown[0]!r}; there are {', '.join(sorted(known))}")

    def _complain(self, where: str, problem: str) -> None:
        raise MalformedClaims(f"{self._path}: {where}: {problem}")
