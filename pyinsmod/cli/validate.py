"""`pyinsmod validate`: a document about module loading, held against real kernels."""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from pyinsmod.cli import manual_pages, measuring
from pyinsmod.cli.arguments import ArgumentParser, positive_whole
from pyinsmod.cli.choices import SEVERAL, spelt_out
from pyinsmod.cli.machines import add_scheduler
from pyinsmod.cli.report_files import why_unwritable
from pyinsmod.cli.terminal import EXIT_FAILED, EXIT_LOST, EXIT_USAGE, complain
from pyinsmod.cli.wording import colours
from tracer import errno_table
from tracer.claims import Claims, read_claims
from tracer.compare import Run, compare
from tracer.errors import MalformedClaims
from tracer.experiments.loaders import LOADERS
from tracer.report import drift
from tracer.report.annotate import annotated_document
from tracer.report.html import as_html
from tracer.report.json_report import as_json
from tracer.report.junit import as_junit
from tracer.report.markdown import as_markdown
from tracer.report.model import Report
from tracer.report.rewrite import rewritten
from tracer.report.terminal import render_table
from tracer.selectors import Record
from vm.catalogue import KERNELS, default_kernel, native_kernels
from vm.errors import UnknownKernel, VmError

DEFAULT_LOADERS = ("kmod", "busybox", "pyinsmod")
REPOSITORY = Path(__file__).parents[2]
DOCUMENT = "loading-a-module.md"
PLAIN_WIDTH = 160  # columns of a table that goes into a file


def run(argv: Sequence[str]) -> int:
    """Run `pyinsmod validate`: 0 nothing contradicted, 1 something was, 2 usage, 3 a machine or trace was lost."""
    options = parser().parse_args(argv)
    loaders = spelt_out(options.loader or DEFAULT_LOADERS, lambda: LOADERS)
    unknown = [name for name in loaders if name not in LOADERS]
    if unknown:
        complain(f"unknown loader '{unknown[0]}': there are {', '.join(LOADERS)}")
        return EXIT_USAGE
    unfit = (measuring.why_not_here(options, loaders) if options.here else None) or _unwritable(options)
    if unfit:
        complain(unfit)
        return EXIT_USAGE
    try:
        claims = _chosen(_claims(options), options.claim)
        baseline = options.baseline and drift.read_baseline(options.baseline, claims.document)
        kernels = spelt_out(options.kernel or [default_kernel()], native_kernels)
        for problem in claims.problems:  # before minutes of measuring
            complain(str(problem))
        runs = measuring.measured(claims, kernels, loaders, options)
    except (MalformedClaims, UnknownKernel, drift.UnfitBaseline) as wrong:
        complain(str(wrong))
        return EXIT_USAGE
    except VmError as failure:
        complain(str(failure))
        return EXIT_LOST
    report = _report(claims, runs, options)
    try:
        _write(report, options)
    except OSError as failure:
        complain(f"cannot write the report {failure.filename}: {failure.strerror}")
        return EXIT_USAGE
    for line in errno_table.as_lines(report.errors):
        print(line, file=sys.stderr if str(options.json) == "-" else sys.stdout)
    if claims.problems:
        return EXIT_USAGE
    if baseline:
        return _drifted(baseline, report, sys.stderr if str(options.json) == "-" else sys.stdout)
    return _status(report)


def _records(run: Run) -> dict[str, Sequence[Record]]:
    return {name: seen.records for name, seen in run.observations.items()}


def _report(claims: Claims, runs: Sequence[Run], options: argparse.Namespace) -> Report:
    return Report(
        document=claims.document,
        text=claims.text,
        runs=runs,
        verdicts=compare(claims, runs),
        experiments=claims.experiments,
        made=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        subject=tuple(_subject(options)),
        chosen=tuple(_choice(options)),
        errors=[row for call in claims.errors_of for row in errno_table.rows(call, [_records(run) for run in runs])],
    )


def _subject(options: argparse.Namespace) -> Iterator[str]:
    """Yield what says which document it is, as it was typed; nothing for the project's own."""
    if options.document != str(default_document()):
        yield options.document
    if options.claims:
        yield from ("--claims", str(options.claims))


def _claims(options: argparse.Namespace) -> Claims:
    """Read the claims; of a manual page, after fetching it."""
    if not options.document.startswith(manual_pages.PREFIX):
        return read_claims(Path(options.document), options.claims)
    page = manual_pages.page(options.document)
    if not options.claims and not page.claims.exists():
        raise MalformedClaims(manual_pages.no_claims(page.claims))
    return read_claims(page.document, options.claims or page.claims)


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser(
        "pyinsmod validate",
        "Hold a document about module loading against real kernels in disposable machines.",
    )
    made.add_argument(
        "document",
        nargs="?",
        default=str(default_document()),
        help="a Markdown file, or a manual page such as 'man:init_module(2)'; default: the project's own",
    )
    made.add_argument(
        "--claims", type=Path, metavar="FILE", help="its claims (default: DOCUMENT.claims.toml beside it)"
    )
    made.add_argument(
        "--kernel",
        action="append",
        metavar="K",
        help=f"all of this host's architecture, or some of {', '.join(KERNELS)}; {SEVERAL}",
    )
    made.add_argument("--loader", action="append", metavar="L", help=f"all, or some of {', '.join(LOADERS)}; {SEVERAL}")
    made.add_argument(
        "--here",
        action="store_true",
        help="load into the running kernel, as root, in place of disposable machines; what could harm it is left out",
    )
    made.add_argument("--claim", action="append", metavar="ID", help="judge this claim only; repeatable")
    made.add_argument("--fresh", action="store_true", help="measure again what earlier runs have recorded")
    made.add_argument(
        "--workers", type=positive_whole, metavar="N", help="machines side by side (default: one a processor)"
    )
    add_scheduler(made)
    made.add_argument(
        "--baseline", type=Path, metavar="FILE", help="an earlier --json: print what changed since; 1 if a verdict did"
    )
    for kind, what in REPORTS.items():
        made.add_argument(f"--{kind}", type=Path, metavar="FILE", help=what[0])
    return made


def as_json_text(report: Report) -> str:
    """Return the JSON report as text."""
    return json.dumps(as_json(report), indent=1)


# Option → what it is, and how it is made.
REPORTS: dict[str, tuple[str, Callable[[Report], str]]] = {
    "json": ("verdicts and evidence as JSON (- for standard output)", as_json_text),
    "html": ("a page of its own, with what happened side by side", as_html),
    "markdown": ("a report in Markdown", as_markdown),
    "junit": ("JUnit XML for CI systems", as_junit),
    "annotate": ("the document itself with a verdict after every sentence", annotated_document),
    "rewrite": ("a corrected list of steps, made from the evidence", rewritten),
}


def default_document() -> Path:
    """Return the project's own document: in the repository, or as the wheel carries it."""
    in_repository = REPOSITORY / "docs" / DOCUMENT
    return in_repository if in_repository.exists() else Path(__file__).parents[1] / "documents" / DOCUMENT


def _chosen(claims: Claims, names: Sequence[str] | None) -> Claims:
    """Return the claims somebody asked for, all when nobody did."""
    if not names:
        return claims
    unknown = [name for name in names if name not in {claim.id for claim in claims.claims}]
    if unknown:
        raise MalformedClaims(f"{claims.document}: there is no claim '{unknown[0]}'")
    return dataclasses.replace(claims, claims=tuple(claim for claim in claims.claims if claim.id in names))


def _choice(options: argparse.Namespace) -> Iterator[str]:
    """Yield the options that chose runs and claims, as they were typed."""
    if options.here:
        yield "--here"
    for name in ("kernel", "loader", "claim"):
        for value in getattr(options, name) or ():
            yield from (f"--{name}", value)


def _unwritable(options: argparse.Namespace) -> str | None:
    """Say which report has no place to go, before minutes of measuring."""
    for kind in REPORTS:
        target: Path | None = getattr(options, kind)
        if target is None or str(target) == "-":
            continue
        if why := why_unwritable(target):
            return f"--{kind} {target}: {why}"
    return None


def _write(report: Report, options: argparse.Namespace) -> None:
    for kind, (_, make) in REPORTS.items():
        target: Path | None = getattr(options, kind)
        if target and str(target) != "-":
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(make(report), encoding="utf-8")
    if str(options.json) == "-":
        print(as_json_text(report))
        return
    if options.baseline:
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH
    print(render_table(report, width, colours(sys.stdout)))


def _drifted(baseline: Mapping[str, Any], report: Report, stream: TextIO) -> int:
    """Print what changed since the baseline: 1 if a verdict did, 3 if a lost machine hides whether one did."""
    found = drift.drift(baseline, report)
    for line in drift.as_lines(found):
        print(line, file=stream)
    if found.changed:
        return EXIT_FAILED
    return EXIT_LOST if found.broke or _status(report) == EXIT_LOST else 0


def _status(report: Report) -> int:
    """Tell a lost machine from a contradicted document; the former is never counted as either verdict."""
    by_run = {one.verdict for verdict in report.verdicts for one in verdict.by_run.values()}
    if "harness-broke" in by_run:
        return EXIT_LOST
    return EXIT_FAILED if by_run & {"contradicted"} else 0
