"""The command line of `pyinsmod check` as far as trees go: without argparse where it is as it should be."""

from __future__ import annotations

from pyinsmod.lean import Any, NamedTuple, Sequence


class TreeOptions(NamedTuple):
    """What `check_arguments` describes."""

    paths: Sequence[str]
    kernel: Sequence[str] = ()
    json: bool = False
    report: bool = False
    since: str | None = None
    baseline: str | None = None
    json_lines: bool = False
    sarif: str | None = None
    junit: str | None = None
    github_summary: str | None = None
    no_relocations: bool = False
    no_cache: bool = False
    jobs: int | None = None
    scheduler: str | None = None


_SWITCHES = {
    "--json": "json",
    "--json-lines": "json_lines",
    "--no-relocations": "no_relocations",
    "--no-cache": "no_cache",
}
_WITH_WORDS = ("since", "baseline", "sarif", "junit", "github_summary", "scheduler")
_WORDS = {f"--{name.replace('_', '-')}": name for name in _WITH_WORDS}


def tree_options(argv: Sequence[str]) -> TreeOptions:
    """Return the options.

    Raises:
        UsageError: there is something wrong with them.
    """
    plain = _plain_options(argv)
    if plain is not None:
        return plain
    from pyinsmod.cli.check_arguments import parser

    return TreeOptions(**vars(parser().parse_args(argv)))


def _plain_options(argv: Sequence[str]) -> TreeOptions | None:
    """Read a command line that is as it should be; None leaves it to argparse, which takes long to import."""
    paths: list[str] = []
    kernels: list[str] = []
    others: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        if word in _SWITCHES:
            others[_SWITCHES[word]] = True
        elif word == "--kernel" or word in _WORDS:
            value = next(words, "-")
            if value.startswith("-"):
                return None
            if word == "--kernel":
                kernels.append(value)
            else:
                others[_WORDS[word]] = value
        elif word.startswith("-"):
            return None
        else:
            paths.append(word)
    return TreeOptions(paths, kernels, **others) if paths else None
