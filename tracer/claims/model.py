"""What a claims file holds, as frozen data. The format is described in docs/claims-format.md."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tracer.selectors import Selector

DEFAULT_FILE = "mymod.ko"
DEFAULT_SECONDS = 180


@dataclass(frozen=True)
class Experiment:
    """Something that is done with a loader in a fresh machine.

    Attributes:
        name: its key in the file.
        about: one line for people.
        modules: file name → how the module is made (see tracer.experiments).
        file: the module the loader is given.
        options: what stands before the file on the loader's command line.
        parameters: what stands behind it, `who=world`.
        preparations: named ones (see tracer.experiments.preparations), in this order.
        prepare: commands run first, untraced.
        script: shell commands to trace in place of the loader's one.
        calls: module system calls to make directly, in place of a loader.
        afterwards: shell commands run after the loader, traced with it.
        watch: files whose content is recorded whenever it changes.
        module_folder: the modules are put into the kernel's module folder, and indexed.
        seconds: time limit for everything from the machine's start to the result.
        refused: the kernel may refuse: a loader that predicts is told to ask it nevertheless.
        survey: nothing is loaded; every module of the kernel's package is looked at instead.
        kernel_only: what it shows is the kernel's doing alone, so one loader per kernel settles it.
        loaders: the only loaders it is done with; none named means all.
        broken: what is wrong with its description, or None.
    """

    name: str
    about: str = ""
    modules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    file: str = DEFAULT_FILE
    options: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()
    preparations: tuple[str, ...] = ()
    prepare: tuple[str, ...] = ()
    script: str | None = None
    calls: tuple[Mapping[str, Any], ...] = ()
    afterwards: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    module_folder: bool = False
    seconds: int = DEFAULT_SECONDS
    refused: bool = False
    survey: bool = False
    kernel_only: bool = False
    loaders: tuple[str, ...] = ()
    broken: str | None = None

    @property
    def settled_once(self) -> bool:
        """Whether one loader per kernel tells all: the other loaders have no part in what it shows."""
        return self.kernel_only or self.survey


@dataclass(frozen=True)
class ClaimTest:
    """What the records of one experiment must show for a claim to hold.

    Attributes:
        experiment: whose records.
        given: without a match of each, the experiment did not get far enough to tell.
        given_any: without a match of one of them, likewise.
        see: each must match a record.
        any: at least one must match a record.
        never: none may match a record.
        order: the first matches must come one after the other.
        labels: what to call each of `order` in a report; empty, or as many.
        instead: what to show as reality when the test fails.
        optional: that it can show nothing here is no reason for the claim not to hold.
        errnos_of: a system call; in no experiment of the file may it fail with an errno that is not in `errnos`.
        errnos: the documented ones.
    """

    experiment: str
    given: tuple[Selector, ...] = ()
    given_any: tuple[Selector, ...] = ()
    see: tuple[Selector, ...] = ()
    any: tuple[Selector, ...] = ()
    never: tuple[Selector, ...] = ()
    order: tuple[Selector, ...] = ()
    labels: tuple[str, ...] = ()
    instead: tuple[Selector, ...] = ()
    optional: bool = False
    errnos_of: str | None = None
    errnos: tuple[str, ...] = ()


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
        broken: why it cannot be judged, or None: what is wrong with it, or that the document has moved.
    """

    id: str
    step: int | None
    row: str | None
    quote: str
    says: str
    tests: tuple[ClaimTest, ...]
    broken: str | None = None


class Problem(NamedTuple):
    """Something wrong in a claims file that leaves the rest of it usable."""

    file: Path
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class ErrorsOf(NamedTuple):
    """A system call whose documented errors stand in the document: the call, and the errnos by name."""

    call: str
    documented: tuple[str, ...]


@dataclass(frozen=True)
class Claims:
    """A claims file and the document it belongs to.

    Attributes:
        document: the document's path.
        text: what it says.
        experiments: by name.
        claims: in the file's order, those that cannot be judged among them; then those about the order.
        problems: what is wrong with the file, and where.
        errors_of: calls of which the documented errors are compared with those that occur.
    """

    document: Path
    text: str
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()
    problems: tuple[Problem, ...] = ()
    errors_of: tuple[ErrorsOf, ...] = ()
