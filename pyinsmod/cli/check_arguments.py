"""The command line of `pyinsmod check`, of files and of whole trees."""

from __future__ import annotations

import argparse

from pyinsmod.cli.arguments import ArgumentParser, positive_whole
from pyinsmod.cli.choices import ALL
from pyinsmod.cli.kernels import HELP


def parser() -> ArgumentParser:
    """Return what reads the command line."""
    made = ArgumentParser("pyinsmod check", "Predict what kernels would do with modules. Loads nothing.")
    add = made.add_argument
    add("paths", metavar="PATH", nargs="+", help="a module, a folder of modules, or a .deb or .rpm package")
    add(
        "--kernel",
        metavar="K",
        action="append",
        default=[],
        help=f"not the running kernel, but {HELP}; '{ALL}', of a folder or package: every kernel of the store",
    )
    add("--json", action="store_true", help="print one JSON object and nothing else")
    add("--report", action="store_true", help="print a block to paste into an issue tracker")
    _add_tree_options(made.add_argument_group("folders and packages"))
    return made


def _add_tree_options(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--since", metavar="OLD", help="show only what an update from kernel OLD breaks")
    add("--baseline", metavar="FILE", help="only what is worse than in this earlier --json output fails")
    add("--json-lines", action="store_true", help="print a JSON object a line, while it runs")
    for name, what in {"sarif": "SARIF", "junit": "JUnit XML", "github-summary": "a GitHub step summary"}.items():
        add(f"--{name}", metavar="FILE", help=f"write {what} as well")
    add("--no-relocations", action="store_true", help="leave out the scan of relocations")
    add("--no-cache", action="store_true", help="look at every file, also those that are as they were last time")
    workers = group.add_mutually_exclusive_group()
    workers.add_argument("--jobs", metavar="N", type=positive_whole, help="processes; as many as there are processors")
    workers.add_argument(
        "--scheduler", metavar="ADDRESS", help="let the workers of this Dask scheduler do it, such as tcp://host:8786"
    )
