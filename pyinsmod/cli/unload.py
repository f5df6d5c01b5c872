"""`pyinsmod unload NAME`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from pyinsmod.cli.arguments import ArgumentParser
from pyinsmod.errors import UsageError
from pyinsmod.text import printable
from pyinsmod.unloader import UnloadOutcome, unload


def run(argv: Sequence[str]) -> int:
    """Remove a module; exit status 0 removed, 1 not, 2 usage."""
    options = parser().parse_args(argv)
    if not options.name:
        raise UsageError("the module's name is empty")
    outcome = unload(options.name)
    if options.json:
        import json

        print(json.dumps(outcome.to_json()))
    else:
        _say(outcome)
    return 1 if outcome.errno else 0


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser("pyinsmod unload", "Remove a module, and say why if it is refused.")
    made.add_argument("name", metavar="NAME", help="the module's name, or that of its file")
    made.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    return made


def _say(outcome: UnloadOutcome) -> None:
    if outcome.explanation is None:
        return
    print(printable(f"pyinsmod: {outcome.module}: {outcome.explanation.cause}"), file=sys.stderr)
    if outcome.explanation.remedy:
        print(printable(f"  do: {outcome.explanation.remedy}"), file=sys.stderr)
    print(f"  answer: delete_module: {outcome.errno}", file=sys.stderr)
