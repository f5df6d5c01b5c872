"""Reads a claims file: what is wrong in it is named with its line, and the rest is used all the same."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tracer.claims import experiment_tables, generated
from tracer.claims.claim_tables import read_claim, read_moment
from tracer.claims.lines import Lines
from tracer.claims.model import Claim, Claims, ErrorsOf, Experiment, Problem
from tracer.claims.moments import Moment, ordered_claims
from tracer.claims.quotes import Sections
from tracer.claims.wrong import KINDS, TEXTS, Wrong
from tracer.errors import MalformedClaims
from tracer.experiments.loaders import LOADERS
from tracer.manual.errnos import documented_errnos

SCHEMA = 1
FILE_KEYS = ("schema", "loaders", "errors_of", "experiments", "claims", "moments")


def claims_path(document: Path) -> Path:
    """Return where a document's claims are looked for: beside it, `NAME.claims.toml`."""
    return document.with_name(f"{document.stem}.claims.toml")


def read_claims(document: Path, file: Path | None = None) -> Claims:
    """Read a document and its claims.

    Args:
        document: the document.
        file: the claims; `claims_path(document)` unless given, such as for an altered copy of the document.

    Returns:
        The claims; those with a mistake, or with a quote that the document has not, are `broken` and listed in
        `problems`.

    Raises:
        MalformedClaims: a file is missing or unreadable, is no TOML, or of another schema.
    """
    path = file or claims_path(document)
    try:
        text = document.read_text()
        written = path.read_text()
        raw = tomllib.loads(written)
    except tomllib.TOMLDecodeError as error:
        raise MalformedClaims(f"{path}: {error}") from error
    except FileNotFoundError as missing:
        if missing.filename == str(path) and file is None:
            raise MalformedClaims(
                f"{document}: there are no claims beside it, in {path}; --claims names others"
            ) from missing
        raise MalformedClaims(f"{missing.filename}: {_reason(missing)}") from missing
    except (OSError, UnicodeDecodeError) as failure:
        raise MalformedClaims(f"{getattr(failure, 'filename', None) or path}: {_reason(failure)}") from failure
    if raw.get("schema") != SCHEMA:
        raise MalformedClaims(f"{path}: schema = {SCHEMA} is the one this program reads")
    return _Reader(path, Lines(written), text, raw).read(document)


def _reason(failure: Exception) -> str:
    return str(getattr(failure, "strerror", None) or "is not UTF-8 text")


@dataclass
class _Reader:
    """Turns tables into claims."""

    path: Path
    lines: Lines
    text: str
    raw: Mapping[str, Any]
    problems: list[Problem] = field(default_factory=list)

    def read(self, document: Path) -> Claims:
        sections = Sections(self.text)
        for key in sorted(set(self.raw) - set(FILE_KEYS)):
            self._note(self.lines.of_word(key), f"unknown key '{key}'; there are {', '.join(FILE_KEYS)}")
        experiments = self._experiments()
        told = (self._claim(number, table, sections) for number, table in enumerate(self._tables("claims")))
        claims = self._ids_once(self._experiments_known([one for one in told if one is not None], experiments))
        read = (
            self._moment(number, table, sections, experiments) for number, table in enumerate(self._tables("moments"))
        )
        ordered = ordered_claims([moment for moment in read if moment is not None])
        experiments |= ordered.experiments
        errors = self._errors_of()
        claims += [*ordered.claims, *generated.about_errors(self.text, errors, claims)]
        return Claims(document, self.text, experiments, tuple(claims), tuple(self.problems), errors)

    def _names(self, key: str) -> list[str]:
        found = self.raw.get(key, [])
        if KINDS[TEXTS](found):
            return list(found)
        self._note(self.lines.of_word(key), f"'{key}' is {TEXTS}")
        return []

    def _tables(self, key: str) -> list[Any]:
        found = self.raw.get(key, [])
        if isinstance(found, list):
            return found
        self._note(self.lines.of_word(key), f"write [[{key}]], with two brackets")
        return []

    def _experiments(self) -> dict[str, Experiment]:
        tables, experiments = self.raw.get("experiments", {}), {}
        if not isinstance(tables, Mapping):
            self._note(self.lines.of_word("experiments"), "write [experiments.NAME] for each of them")
            return {}
        loaders = self._names("loaders")
        for loader in loaders:
            if loader not in LOADERS:
                line = self.lines.of_word("loaders")
                self._note(line, f"unknown loader '{loader}'; there are {', '.join(LOADERS)}")
        for name, table in tables.items():
            try:
                experiments[name] = experiment_tables.read(name, table, tables, loaders)
            except Wrong as wrong:
                line = self.lines.of_table(f"experiments.{name}", wrong.word)
                self._note(line, f"[experiments.{name}]: {wrong}")
                experiments[name] = Experiment(name, broken=self._reason(line, wrong))
        return experiments

    def _claim(self, number: int, table: object, sections: Sections) -> Claim | None:
        try:
            return read_claim(table, sections)
        except Wrong as wrong:
            broken = _broken(table, number)
            line = self.lines.of_array("claims", number, wrong.word)
            self._note(line, f"claim '{broken.id}': {wrong}")
            return replace(broken, broken=self._reason(line, wrong))

    def _moment(
        self, number: int, table: object, sections: Sections, experiments: Mapping[str, Experiment]
    ) -> Moment | None:
        try:
            moment = read_moment(table, sections, experiments)
        except Wrong as wrong:
            self._note(self.lines.of_array("moments", number, wrong.word), f"moment number {number + 1}: {wrong}")
            return None
        if moment.place is None:
            line = self.lines.of_array("moments", number, "quote")
            self._note(line, f"moment '{moment.id}': the document does not say {moment.quote!r} (any more)")
        return moment

    def _errors_of(self) -> tuple[ErrorsOf, ...]:
        documented = documented_errnos(self.text)
        calls = []
        for call in self._names("errors_of"):
            if documented.get(call):
                calls.append(ErrorsOf(call, documented[call]))
            else:
                self._note(self.lines.of_word("errors_of"), f"the document has no list of the errors of {call}()")
        return tuple(calls)

    def _experiments_known(self, claims: list[Claim], experiments: Mapping[str, Experiment]) -> list[Claim]:
        """Break the claims that refer to an experiment there is not."""
        checked = []
        for claim in claims:
            unknown = [test.experiment for test in claim.tests if test.experiment not in experiments]
            if unknown:
                line = self.lines.of_array("claims", self._number_of(claim), unknown[0])
                wrong = Wrong(f"there is no experiment '{unknown[0]}'")
                self._note(line, f"claim '{claim.id}': {wrong}")
                checked.append(replace(claim, broken=self._reason(line, wrong), tests=()))
            else:
                checked.append(claim)
        return checked

    def _ids_once(self, claims: list[Claim]) -> list[Claim]:
        seen: set[str] = set()
        for number, claim in enumerate(claims):
            if claim.id in seen:
                place = self._number_of(claim, last=True)
                self._note(self.lines.of_array("claims", place, "id"), f"claim '{claim.id}': the id is used twice")
                claims[number] = replace(claim, id=f"{claim.id} (number {number + 1})", broken="the id is used twice")
            seen.add(claim.id)
        return claims

    def _number_of(self, claim: Claim, *, last: bool = False) -> int:
        """Return which of the file's claims has this id."""
        numbers = [
            number
            for number, table in enumerate(self._tables("claims"))
            if isinstance(table, Mapping) and table.get("id") == claim.id
        ]
        return numbers[-1 if last else 0] if numbers else 0

    def _reason(self, line: int, wrong: Wrong) -> str:
        return f"{self.path.name}:{line}: {wrong}"

    def _note(self, line: int, text: str) -> None:
        self.problems.append(Problem(self.path, line, text))


def _broken(table: object, number: int) -> Claim:
    """Return what of a wrong claim can be shown in a report."""
    known = table if isinstance(table, Mapping) else {}
    step, row = known.get("step"), known.get("row")
    return Claim(
        id=str(known.get("id", f"number {number + 1}")),
        step=step if isinstance(step, int) else None,
        row=row if isinstance(row, str) else None,
        quote=str(known.get("quote", "")),
        says=str(known.get("says", "")),
        tests=(),
    )
