"""The options of `pyinsmod trace`: those read without argparse are what argparse makes of them."""

from __future__ import annotations

import pytest

from pyinsmod.cli.trace_arguments import parsed
from pyinsmod.cli.trace_options import Options, options_of, usual

LEFT_TO_ARGPARSE = [
    [],
    ["--"],
    ["--", ""],
    ["-o"],
    ["-o", "out"],
    ["-o", "out", "true"],
    ["-o", "-x", "--", "true"],
    ["-oout", "--", "true"],
    ["--format", "xml", "--", "true"],
    ["--format=json", "--", "true"],
    ["--pin", "always", "--", "true"],
    ["-c", "--", "true"],
    ["--calls", ", ", "--", "true"],
    ["-p", "1"],
    ["--inject", "close:error=EIO", "--", "true"],
    ["-h"],
    ["true"],
]
USUAL = [
    ["--", "true"],
    ["--", "--", "true"],
    ["--", "ls", "-o", "--pin", "--"],
    ["-o", "out", "--", "true"],
    ["-o", "one", "-o", "two", "--", "true"],
    ["--calls", "read,write", "--format", "json", "--pin", "never", "-o", "", "--", "sh", "-c", ""],
]


@pytest.mark.parametrize("argv", LEFT_TO_ARGPARSE)
def test_anything_else_is_left_to_argparse(argv: list[str]) -> None:
    assert usual(argv) is None


@pytest.mark.parametrize("argv", USUAL)
def test_the_usual_ones_are_read_as_argparse_does(argv: list[str]) -> None:
    quick = usual(argv)
    assert quick is not None
    assert everything(quick) == everything(parsed(argv))


def test_without_argparse_and_with_it_options_have_the_same_attributes() -> None:
    given = everything(options_of(["-c", "-p", "1,2", "-p", "3", "--inject", "a", "--inject", "b", "-s", "9"]))
    assert given == everything(Options()) | {
        "summary": "only", "pids": [1, 2, 3], "inject": ["a", "b"], "data_limit": 9,
    }  # fmt: skip


def test_one_command_lines_options_are_not_the_next_ones() -> None:
    options_of(["-p", "1", "--inject", "a"])
    assert (Options().pids, Options().inject) == ([], [])


def everything(options: Options) -> dict[str, object]:
    """Return every option, set or not."""
    names = {*vars(Options), *vars(options)}
    return {name: getattr(options, name) for name in names if not name.startswith("_")}
