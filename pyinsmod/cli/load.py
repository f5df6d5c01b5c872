"""`pyinsmod FILE [NAME=VALUE…]`: a drop-in for insmod that says why."""

from __future__ import annotations

import errno as errno_table
import os
import sys

from pyinsmod.errors import PyinsmodError, SystemCallFailed, UsageError, errno_name
from pyinsmod.lean import TYPE_CHECKING, Iterator, Sequence
from pyinsmod.load_request import LoadRequest
from pyinsmod.loader import LoadOptions, LoadOutcome, Syscall, load
from pyinsmod.text import printable, shell_word

if TYPE_CHECKING:
    from pyinsmod.cli.arguments import ArgumentParser

# A module of another kernel has a fault for each of its symbols.
MOST_OTHERS = 5

# What other programs call our commands.
SYNONYMS = {"help": "-h", "version": "-V", "remove": "unload", "rmmod": "unload", "modinfo": "info", "list": "vm list"}

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
    report = False


def run(argv: Sequence[str]) -> int:
    """Load a module; exit status 0 loaded, 1 not, 2 usage."""
    own, rest = split_arguments(argv)
    options = parser().parse_args(own, namespace=Switches()) if own else Switches()
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
    if options.report:
        _print_report(argv, outcome)
    return 0 if outcome.outcome == "loaded" else 1


def split_arguments(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split into options, and FILE with everything after it, which belongs to the module as it stands."""
    at = 0
    while at < len(argv) and argv[at].startswith("-") and argv[at] != "-":
        if argv[at] == "--":
            return list(argv[:at]), list(argv[at + 1 :])
        at += 2 if argv[at] in WITH_VALUE else 1
    return list(argv[:at]), list(argv[at:])


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    from pyinsmod.cli.arguments import HIDDEN, ArgumentParser

    made = ArgumentParser(
        "pyinsmod load",
        "Check a module against the running kernel, load it, and say why if it is refused.",
        "pyinsmod [load] [options] FILE [NAME=VALUE…]",
    )
    add = made.add_argument
    add("--anyway", action="store_true", help="ask the kernel although the prediction is bad; it may crash")
    add("--no-check", action="store_true", help="do not look at the file first")
    add("--syscall", choices=("auto", "finit_module", "init_module"), default="auto", help="the call to make")
    add("--force-vermagic", action="store_true", help="tell the kernel to ignore the version magic (taints)")
    add("--force-modversion", action="store_true", help="tell the kernel to ignore symbol versions (taints)")
    add("-f", "--force", action="store_true", help="both of these")
    add("-q", "--quiet", action="store_true", help="of a failure, say the cause only")
    add("-v", "--verbose", action="store_true", help="say what was looked at and what was called")
    add("--json", action="store_true", help="print one JSON object and nothing else")
    add("--report", action="store_true", help="print a block for an issue tracker: facts, prediction, answer, log")
    # insmod of kmod takes these and does nothing about them; a drop-in must, too.
    add("-s", "--syslog", action="store_true", help=HIDDEN)
    add("-p", action="store_true", help=HIDDEN)
    return made


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
    elif not options.verbose:
        lines += map(printable, _doubtful_parameters(outcome))
    lines += map(printable, _disagreement(outcome))
    if options.verbose:
        lines += map(printable, _details(outcome))
    lines += [printable(f"pyinsmod: {outcome.file}: warning: {warning}") for warning in outcome.warnings]
    for line in lines:
        print(line, file=sys.stderr)


def _doubtful_parameters(outcome: LoadOutcome) -> Iterator[str]:
    """Yield what the kernel puts up with in parameters: a name that the module has not is ignored in silence."""
    for finding in outcome.findings:
        if finding.check == "parameters" and finding.severity == "warns" and outcome.outcome == "loaded":
            yield f"pyinsmod: {outcome.file}: warning: {finding.summary}"
            if finding.remedy:
                yield f"  do: {finding.remedy}"


def _failure(outcome: LoadOutcome) -> Iterator[str]:
    """Yield, escaped: the cause, the two values, what to do, the kernel's answer and its own words, in this order."""
    why = outcome.explanation
    if why is None:
        return
    from pyinsmod.cli.wording import bold, colours, reason_lines
    from pyinsmod.text import shortened

    colour = colours(sys.stderr)
    yield f"pyinsmod: {printable(outcome.file)}: {bold(printable(shortened(why.cause)), colour=colour)}"
    yield from reason_lines(why, colour=colour)
    yield f"  answer: {_answer(outcome)}"
    yield from (f"  log: {printable(line)}" for line in outcome.log)
    fatal = [finding for finding in outcome.findings if finding.severity in ("refuses", "crashes")]
    said = f"{why.cause}\n{why.note or ''}"
    others = [finding.summary for finding in fatal if finding.summary not in said]
    yield from (f"  also: {printable(shortened(summary))}" for summary in others[:MOST_OTHERS])
    if len(others) > MOST_OTHERS:
        yield f"  also: {len(others) - MOST_OTHERS} more faults; all of them: pyinsmod check {shell_word(outcome.file)}"


def _answer(outcome: LoadOutcome) -> str:
    """Say what the kernel answered, or that it was not asked and what was expected of it."""
    if outcome.outcome == "refused":
        return f"{outcome.call}: {_with_text(outcome.errno)}"
    if outcome.outcome == "vanished":
        return f"{outcome.call}: 0"
    prediction = outcome.prediction
    at = f" at step {prediction.step}" if prediction and prediction.step else ""
    if prediction is not None and prediction.outcome == "crashes-kernel":
        return (
            f"none, the kernel was not asked: it would crash{at}, and this machine with it; --anyway asks it all the "
            "same, which is DANGEROUS; pyinsmod try does it in a disposable machine"
        )
    expected = _with_text(outcome.errno) if outcome.errno else "a refusal or a crash"
    return f"none, the kernel was not asked; expected of it: {expected}{at}; --anyway asks it"


def _disagreement(outcome: LoadOutcome) -> Iterator[str]:
    """Yield a line for the day on which the kernel does what was not foretold."""
    agreement = outcome.agreement
    if agreement is None or agreement.agrees is not False:
        return
    yield (
        f"  prediction: {agreement.predicted}; kernel: {agreement.real} – they differ; please report what this "
        f"prints: pyinsmod load --report --anyway {shell_word(outcome.file)}"
    )


def _print_report(argv: Sequence[str], outcome: LoadOutcome) -> None:
    from pyinsmod.report import Case, report

    answers = {"loaded": "loaded", "vanished": "0, but the module is not there", "not-asked": None}
    refused = f"{outcome.call}: {_with_text(outcome.errno)}"
    case = Case(
        ["pyinsmod", "load", *argv],
        outcome.file,
        outcome.facts,
        outcome.image,
        outcome.prediction,
        outcome.findings,
        answers.get(outcome.outcome, refused),
        outcome.log,
        outcome.agreement,
    )
    print(report(case, os.uname().nodename), end="")


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
    if outcome.agreement and outcome.agreement.agrees:
        yield "  prediction and kernel agree"
    if outcome.outcome == "loaded":
        yield from (f"  {finding.severity}: {finding.summary}" for finding in outcome.findings)
        yield f"  answer: {outcome.call}: 0"
        yield from (f"  log: {line}" for line in outcome.log)
        yield f"  module {outcome.module} is in /proc/modules and /sys/module"


def _say_unreadable(file: str, error: PyinsmodError, *, as_json: bool) -> None:
    """Report a file that the kernel need not be asked about, in one line or one object."""
    number = error.errno if isinstance(error, SystemCallFailed) else None
    remedy = _meant(file) if number == errno_table.ENOENT else None
    if as_json:
        outcome = {"schema": 1, "file": file, "module": None, "outcome": "unreadable", "cause": str(error)}
        answer = errno_name(number) if number else None
        _print_json({**outcome, "errno": answer, "remedy": remedy, "log": [], "findings": []})
        return
    text = str(error) if str(error).startswith(file or "''") else f"{file}: {error}"
    print(f"pyinsmod: {printable(f'{text}; did you mean {remedy}?' if remedy else text)}", file=sys.stderr)


def _meant(file: str) -> str | None:
    """Return the command that the name of a file that is not there looks like, such as `pyinsmod check`."""
    if "/" in file or "." in file:
        return None
    from difflib import get_close_matches

    from pyinsmod.cli import COMMANDS

    known = {name: name for name in COMMANDS} | SYNONYMS
    return next((f"pyinsmod {known[name]}" for name in get_close_matches(file, known, 1)), None)


def _print_json(content: dict[str, object]) -> None:
    import json

    print(json.dumps(content))
