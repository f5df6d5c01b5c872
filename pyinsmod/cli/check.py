"""`pyinsmod check PATH…`: predict what the running kernel would answer, and load nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pyinsmod.checks import run_checks
from pyinsmod.cli.arguments import ArgumentParser
from pyinsmod.errors import MalformedModule, UsageError
from pyinsmod.finding import Finding
from pyinsmod.kernel_facts import KernelFacts, running_kernel
from pyinsmod.module_image import SUFFIXES, read_image
from pyinsmod.prediction import Prediction, decisive_finding, predict
from pyinsmod.text import printable


class Result(NamedTuple):
    """One file on one kernel."""

    file: Path
    module: str | None
    prediction: Prediction
    findings: tuple[Finding, ...]


def run(argv: Sequence[str]) -> int:
    """Predict; exit status 0 all reach init, 1 some are refused, 2 usage, 3 cannot tell."""
    parser = ArgumentParser("pyinsmod check", "Predict what the running kernel would do with modules. Loads nothing.")
    parser.add_argument("paths", metavar="PATH", nargs="+", type=Path, help="a module, or a folder of modules")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    options = parser.parse_args(argv)
    files = [file for path in options.paths for file in modules_at(path)]
    facts = running_kernel()
    results = (examine(file, facts) for file in files)
    outcomes = _print_json(results, facts) if options.json else _print_text(results)
    return exit_status(outcomes)


def modules_at(path: Path) -> Iterator[Path]:
    """Yield the file itself, or every module below a folder in the order of their names.

    Raises:
        UsageError: there is no such path, or no module below it.
    """
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"{path}: no such file or folder")
        if not path.is_file():
            raise UsageError(f"{path}: neither a regular file nor a folder")
        yield path
        return
    found = sorted(
        Path(folder, name) for folder, _, names in os.walk(path) for name in names if name.endswith(SUFFIXES)
    )
    if not found:
        raise UsageError(f"{path}: no modules below this folder")
    yield from found


def examine(file: Path, facts: KernelFacts) -> Result:
    """Return the prediction for one file; one that cannot be read is one of which nothing can be told."""
    try:
        image = read_image(file.read_bytes())
        findings = tuple(finding.for_file(str(file), image.known_name) for finding in run_checks(image, facts))
        return Result(file, image.known_name, predict(findings), findings)
    except OSError as error:
        finding = Finding("file", 2, "cannot-tell", f"cannot be read: {error.strerror}")
    except MalformedModule as error:
        finding = Finding("file", 3, "cannot-tell", str(error))
    return Result(file, None, predict([finding]), (finding,))


def exit_status(outcomes: Sequence[str]) -> int:
    """Return the worst of the outcomes as an exit status."""
    if any(outcome in ("refused", "crashes-kernel") for outcome in outcomes):
        return 1
    return 3 if "cannot-tell" in outcomes else 0


def _print_json(results: Iterator[Result], facts: KernelFacts) -> list[str]:
    import json

    done = list(results)
    print(json.dumps({"schema": 1, "kernels": [facts.to_json()], "results": [_as_json(each, facts) for each in done]}))
    return [result.prediction.outcome for result in done]


def _as_json(result: Result, facts: KernelFacts) -> dict[str, object]:
    return {
        "file": str(result.file),
        "module": result.module,
        "kernel": facts.name,
        "prediction": result.prediction.to_json(),
        "findings": [finding.to_json() for finding in result.findings],
    }


def _print_text(results: Iterator[Result]) -> list[str]:
    outcomes: list[str] = []
    for result in results:
        outcomes.append(result.prediction.outcome)
        for line in _lines(result):
            print(printable(line))
    return outcomes


def _lines(result: Result) -> Iterator[str]:
    """Yield the prediction with its decisive reason, then every finding with what to do."""
    prediction = result.prediction
    decisive = decisive_finding(result.findings)
    answer = {"refused": "refused", "reaches-init": "reaches init"}.get(prediction.outcome, prediction.outcome)
    errno = f" {prediction.errno}" if prediction.errno else ""
    step = f" at step {prediction.step}" if prediction.step else ""
    reason = f": {decisive.summary}" if decisive else ""
    yield f"{result.file}: {answer}{errno}{step}{reason}"
    for finding in result.findings:
        if finding is not decisive:
            yield f"  {finding.severity}: {finding.summary}"
        if finding.remedy:
            yield f"  do: {finding.remedy}"
