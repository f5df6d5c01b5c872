"""`pyinsmod FILE [NAME=VALUE…]`: a drop-in for insmod that says why."""

from __future__ import annotations

import errno as errno_table
import os
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pyinsmod.errors import PyinsmodError, SystemCallFailed, UsageError, errno_name
from pyinsmod.load_request import LoadRequest
from pyinsmod.loader import LoadOptions, LoadOutcome, Syscall, load
from pyinsmod.text import printable

if TYPE_CHECKING:
    from pyinsmod.cli.arguments import ArgumentParser

WITH_VALUE = frozenset({"--syscall"})


class Switches:
    """What the options are without any on the command line; argparse, slow to import, sets those that are."""

    anyway = False
    no_check = False
    syscall: Syscall = "auto"
    force_vermagic = False
    force_modversion = False
    force = False
    quiet = False
    verbose = False
    json = False


def run(argv: Sequence[str]) -> int:
    """Load a module; exit status 0 loaded, 1 not, 2 usage."""
    own, rest = split_arguments(argv)
    options = _parser().parse_args(own, namespace=Switches()) if own else Switches()
    if not rest:
        raise UsageError("no module file given: pyinsmod FILE [NAME=VALUE…] (pyinsmod load -h explains)")
    file, *parameters = rest
    if file == "-":
        raise UsageError("a module is loaded from a file, not from standard input")
    try:
        outcome = load(file, _load_options(options, parameters))
    except UsageError:
        raise
    except PyinsmodError as error:
        _say_unreadable(file, error, as_json=options.json)
        return 1
    _say(outcome, options)
    return 0 if outcome.outcome == "loaded" else 1


def split_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split into options, and FILE with everything after it, which belongs to the module as it stands."""
    at = 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] != "-":
        if argv[at] == "--":
            return list(argv[:at]), list(argv[at + 1 :])
        at += 2 if argv[at] in WITH_VALUE else 1
    return list(argv[:at]), list(argv[at:])


def _parser() -> ArgumentParser:
    from pyinsmod.cli.arguments import HIDDEN, ArgumentParser

    parser = ArgumentParser(
        "pyinsmod load",
        "Check a module against the running kernel, load it, and say why if it is refused.",
        "pyinsmod [load] [options] FILE [NAME=VALUE…]",
    )
    add = parser.add_argument
    add("--anyway", action="store_true", help="ask the kernel although the prediction is bad")
    add("--no-check", action="store_true", help="do not look at the file first")
    add("--syscall", choices=("auto", "finit_module", "init_module"), default="auto", help="the call to make")
    add("--force-vermagic", action="store_true", help="tell the kernel to ignore the version magic (taints)")
    add("--force-modversion", action="store_true", help="tell the kernel to ignore symbol versions (taints)")
    add("-f", "--force", action="store_true", help="both of these")
    add("-q", "--quiet", action="store_true", help="of a failure, say the cause only")
    add("-v", "--verbose", action="store_true", help="say what was looked at and what was called")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    # insmod of kmod takes these and does nothing about them; a drop-in must, too.
    add("-s", "--syslog", action="store_true", help=HIDDEN)
    add("-p", action="store_true", help=HIDDEN)
    return parser


def _load_options(options: Switches, parameters: Sequence[str]) -> LoadOptions:
    force_vermagic = bool(options.force or options.force_vermagic)
    force_modversion = bool(options.force or options.force_modversion)
    if options.syscall == "init_module" and (force_vermagic or force_modversion):
        raise UsageError("init_module takes no force flags: use --syscall finit_module")
    return LoadOptions(
        request=LoadRequest(" ".join(parameters), force_vermagic, force_modversion),
        syscall=options.syscall,
        anyway=options.anyway,
        check=not options.no_check,
    )


def _say(outcome: LoadOutcome, options: Switches) -> None:
    if options.json:
        _print_json(outcome.to_json())
        return
    lines = list(_failure(outcome))
    if options.quiet:
        lines = lines[:1]
    if options.verbose:
        lines += _details(outcome)
    lines += [f"pyinsmod: {outcome.file}: warning: {warning}" for warning in outcome.warnings]
    for line in lines:
        print(printable(line), file=sys.stderr)


def _failure(outcome: LoadOutcome) -> Iterator[str]:
    """Yield the cause, what to do, the two values, and the kernel's own words, in this order."""
    why = outcome.explanation
    if why is None:
        return
    yield f"pyinsmod: {outcome.file}: {why.cause}"
    if why.remedy:
        yield f"  do: {why.remedy}"
    if why.module_has is not None:
        yield f"  module: {why.module_has}"
    if why.kernel_has is not None:
        yield f"  kernel: {why.kernel_has}"
    yield _answer(outcome)
    yield from (f"  log: {line}" for line in outcome.log)
    fatal = [finding for finding in outcome.findings if finding.severity in ("refuses", "crashes")]
    others = [finding.summary for finding in fatal if finding.summary != why.cause]
    yield from (f"  also: {summary}" for summary in others)


def _answer(outcome: LoadOutcome) -> str:
    """Return the line that says what the kernel answered, or that it was not asked."""
    if outcome.outcome == "refused":
        return f"  answer: {outcome.call}: {_with_text(outcome.errno)}"
    if outcome.outcome == "vanished":
        return f"  answer: {outcome.call}: 0"
    prediction = outcome.prediction
    crash = prediction is not None and prediction.outcome == "crashes-kernel"
    expected = _with_text(outcome.errno) if outcome.errno else "a crash" if crash else "a refusal"
    at = f" at step {prediction.step}" if prediction and prediction.step else ""
    return f"  answer: none, the kernel was not asked; expected of it: {expected}{at}; --anyway asks it"


def _with_text(errno: str | None) -> str:
    """Return `ENOEXEC (Exec format error)`."""
    number = getattr(errno_table, errno or "", None)
    return f"{errno} ({os.strerror(number)})" if number else str(errno)


def _details(outcome: LoadOutcome) -> Iterator[str]:
    if outcome.facts and outcome.prediction:
        yield f"  kernel {outcome.facts.release}: vermagic '{outcome.facts.vermagic.value}'"
        yield f"  vermagic from: {outcome.facts.vermagic.source}"
        yield f"  exported symbols from: {outcome.facts.exports.source}"
    if outcome.prediction:
        yield f"  prediction: {outcome.prediction.outcome}"
    if outcome.outcome == "loaded":
        yield from (f"  {finding.severity}: {finding.summary}" for finding in outcome.findings)
        yield f"  answer: {outcome.call}: 0"
        yield from (f"  log: {line}" for line in outcome.log)
        yield f"  module {outcome.module} is in /proc/modules and /sys/module"


def _say_unreadable(file: str, error: PyinsmodError, *, as_json: bool) -> None:
    """Report a file that the kernel need not be asked about, in one line or one object."""
    if as_json:
        number = error.errno if isinstance(error, SystemCallFailed) else None
        outcome = {"schema": 1, "file": file, "module": None, "outcome": "unreadable", "cause": str(error)}
        _print_json(
            {
                **outcome,
                "errno": errno_name(number) if number else None,
                "remedy": None,
                "log": [],
                "findings": [],
            }
        )
        return
    text = str(error)
    print(f"pyinsmod: {printable(text if text.startswith(file) else f'{file}: {text}')}", file=sys.stderr)


def _print_json(content: dict[str, object]) -> None:
    import json

    print(json.dumps(content))
