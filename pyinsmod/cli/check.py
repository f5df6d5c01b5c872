"""`pyinsmod check PATH…`: predict what the running kernel, or any other, would answer, and load nothing."""

# Paths are text, see pyinsmod/kernel_facts/paths.py.

from __future__ import annotations

import sys

from pyinsmod.errors import EMPTY, PyinsmodError, UsageError
from pyinsmod.kernel_facts.files import exists, is_folder
from pyinsmod.lean import TYPE_CHECKING, Iterator, NamedTuple, Sequence, os
from pyinsmod.text import printable, shortened

if TYPE_CHECKING:
    from os import PathLike

    from pyinsmod.examination import Examination
    from pyinsmod.finding import Finding
    from pyinsmod.kernel_facts import KernelFacts

CANNOT_TELL = 3

# What is for folders and packages, see check_tree.py.
TREE_OPTIONS = (
    "--since",
    "--baseline",
    "--json-lines",
    "--sarif",
    "--junit",
    "--github-summary",
    "--no-relocations",
    "--no-cache",
    "--jobs",
    "--scheduler",
)

# So many findings of one check and severity are shown to people; --json has all.
SHOWN_OF_A_KIND = 3


class Options(NamedTuple):
    """The command line. `kernels` is empty for the running one."""

    paths: Sequence[str]
    kernels: Sequence[str] = ()
    json: bool = False
    report: bool = False


def run(argv: Sequence[str]) -> int:
    """Predict; exit status 0 all reach init, 1 some are refused, 2 usage, 3 cannot tell."""
    if _is_about_a_tree(argv):
        from pyinsmod.cli import check_tree

        return check_tree.run(argv)
    from pyinsmod.examination import examine  # which a tree does without

    options = _plain_options(argv) or _parsed_options(argv)
    files = [file for path in options.paths for file in modules_at(path)]
    try:
        kernels = kernels_named(options.kernels)
    except UsageError:
        raise
    except PyinsmodError as error:
        print(f"pyinsmod: {printable(str(error))}", file=sys.stderr)
        return CANNOT_TELL
    results = (result for file in files for result in examine(file, kernels))
    outcomes: Sequence[str]
    if options.report:
        reported = list(results)
        _print_report(argv, reported, kernels)
        outcomes = [result.prediction.outcome for result in reported]
    else:
        outcomes = _print_json(results, kernels) if options.json else _print_text(results, kernels)
    for facts in kernels:
        facts.keep()
    return exit_status(outcomes)


def _is_about_a_tree(argv: Sequence[str]) -> bool:
    """Tell whether a folder or a package is among the paths, or an option that is for trees."""
    if "--report" in argv:
        return False
    for before, word in zip(("", *argv), argv):  # noqa: B905 - the last word is before none
        if word.partition("=")[0] in TREE_OPTIONS:
            return True
        if before != "--kernel" and (is_folder(word) or (word.endswith((".deb", ".rpm")) and not word.startswith("-"))):
            return True
    return False


def _plain_options(argv: Sequence[str]) -> Options | None:
    """Read a command line that is as it should be; None leaves it to argparse, which takes long to import."""
    paths: list[str] = []
    kernels: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--kernel":
            kernels.append(next(words, "-"))
        elif word not in ("--json", "--report"):
            paths.append(word)
    if not paths or any(word.startswith("-") for word in (*paths, *kernels)):
        return None
    return Options(paths, kernels, "--json" in argv, "--report" in argv)


def _parsed_options(argv: Sequence[str]) -> Options:
    from pyinsmod.cli.check_arguments import parser

    parsed = parser().parse_args(argv)
    return Options(parsed.paths, parsed.kernel, parsed.json, parsed.report)


def kernels_named(names: Sequence[str]) -> Sequence[KernelFacts]:
    """Return the kernels of the command line, each once; the running one when it names none."""
    if not names:
        from pyinsmod.kernel_facts import running_kernel

        return (running_kernel(),)
    from pyinsmod.cli.choices import ALL, spelt_out
    from pyinsmod.cli.kernels import kernel_named

    names = spelt_out(names)
    if ALL in names:
        raise UsageError(f"--kernel {ALL} is for folders and packages; name the kernels (pyinsmod vm list shows some)")
    return [kernel_named(name).facts for name in names]


def modules_at(path: str | PathLike[str]) -> Iterator[str]:
    """Yield the file itself, or every module below a folder in the order of their names.

    Raises:
        UsageError: there is no such path, or no module below it.
    """
    from pyinsmod.module_image import SUFFIXES

    path = os.fspath(path)
    if not is_folder(path):
        if not exists(path):
            raise UsageError(f"{path or EMPTY}: {_why_not_there(path)}")
        yield path
        return
    from os import walk

    there = ((folder.rstrip("/"), name) for folder, _, names in walk(path) for name in names)
    found = sorted(f"{folder}/{name}" for folder, name in there if name.endswith(SUFFIXES))
    if not found:
        raise UsageError(f"{path}: no modules below this folder")
    yield from found


def _why_not_there(path: str) -> str:
    """Say why a path leads nowhere: a link that goes round in circles is there, and a folder may be closed."""
    try:
        os.stat(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        return str(error.strerror).lower()
    except ValueError:
        return "no file can have that name"
    return "no such file or folder"


def exit_status(outcomes: Sequence[str]) -> int:
    """Return the worst of the outcomes as an exit status."""
    if any(outcome in ("refused", "crashes-kernel") for outcome in outcomes):
        return 1
    return CANNOT_TELL if "cannot-tell" in outcomes else 0


def _print_json(results: Iterator[Examination], kernels: Sequence[KernelFacts]) -> list[str]:
    import json

    done = [(each.to_json(), each.prediction.outcome) for each in results]
    # Last, because a kernel names the sources of the facts that were asked for.
    named = [facts.to_json() for facts in kernels]
    print(json.dumps({"schema": 1, "kernels": named, "results": [each for each, _ in done]}))
    return [outcome for _, outcome in done]


def _print_text(results: Iterator[Examination], kernels: Sequence[KernelFacts]) -> list[str]:
    outcomes: list[str] = []
    for result in results:
        outcomes.append(result.prediction.outcome)
        for line in _lines(result, f" on {result.kernel}" if len(kernels) > 1 else ""):
            print(line)
    return outcomes


def _lines(result: Examination, where: str) -> Iterator[str]:
    """Yield, escaped: the prediction with its decisive reason and both values, then every other finding."""
    from pyinsmod.prediction import decisive_finding

    prediction = result.prediction
    decisive = decisive_finding(result.findings)
    answer = {"refused": "refused", "reaches-init": "reaches init"}.get(prediction.outcome, prediction.outcome)
    errno = f" {prediction.errno}" if prediction.errno else ""
    step = f" at step {prediction.step}" if prediction.step else ""
    reason = f": {shortened(decisive.summary)}" if decisive else ""
    yield printable(f"{result.file}{where}: {answer}{errno}{step}{reason}")
    if decisive is not None:
        yield from _values_and_remedy(decisive)
    yield from map(printable, _others([finding for finding in result.findings if finding is not decisive], decisive))


def _others(findings: Sequence[Finding], decisive: Finding | None) -> Iterator[str]:
    """Yield the other findings; what to do is said once, and many of one kind are counted."""
    said = {decisive.remedy if decisive else None, None}
    shown: dict[tuple[str, str], int] = {}
    for finding in findings:
        kind = (finding.check, finding.severity)
        shown[kind] = shown.get(kind, 0) + 1
        if shown[kind] <= SHOWN_OF_A_KIND:
            yield f"  {finding.severity}: {shortened(finding.summary)}"
            if finding.remedy not in said:
                yield f"  do: {shortened(finding.remedy or '')}"
            said.add(finding.remedy)
    for (check, severity), count in shown.items():
        if count > SHOWN_OF_A_KIND:
            yield f"  {severity}: {count - SHOWN_OF_A_KIND} more of the check '{check}'; all of them: --json"


def _values_and_remedy(finding: Finding) -> Iterator[str]:
    """Yield, escaped, the two values with their difference marked, and what to do; imported for a bad module only."""
    from pyinsmod.cli.wording import colours, reason_lines
    from pyinsmod.explanation import from_finding

    yield from reason_lines(from_finding(finding), colour=colours(sys.stdout))


def _print_report(argv: Sequence[str], results: Sequence[Examination], kernels: Sequence[KernelFacts]) -> None:
    """Print a block for an issue tracker for each file on each kernel."""
    from pyinsmod.examination import image_at
    from pyinsmod.finding import Finding
    from pyinsmod.report import Case, report

    facts = {each.name: each for each in kernels}
    for result in results:
        found = image_at(result.file)
        image = None if isinstance(found, Finding) else found
        command = ["pyinsmod", "check", *argv]
        case = Case(command, str(result.file), facts.get(result.kernel), image, result.prediction, result.findings)
        print(report(case, os.uname().nodename), end="")
