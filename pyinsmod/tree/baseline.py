"""What is worse than before: than on an older kernel, or than in earlier results. Pure."""

from __future__ import annotations

from pyinsmod.errors import UsageError
from pyinsmod.lean import Any, Iterable, Sequence
from pyinsmod.tree.results import ModuleResult

BAD = ("refused", "crashes-kernel")


def broken_since(results: Sequence[ModuleResult], old: str) -> tuple[list[ModuleResult], dict[str, int]]:
    """Return the results of modules that reach init on the old kernel and are refused on another one.

    Also, for each other kernel, how many of its refusals are no news: those modules do not reach init on the old one.
    """
    before = {result.file: result.prediction.outcome for result in results if result.kernel == old}
    broken = []
    known: dict[str, int] = {}
    for result in results:
        if result.kernel == old or not result.bad:
            continue
        if before.get(result.file) == "reaches-init":
            broken.append(result)
        else:
            known[result.kernel] = known.get(result.kernel, 0) + 1
    return broken, known


def worse(results: Iterable[ModuleResult], root: str, earlier: frozenset[tuple[str, str]]) -> list[ModuleResult]:
    """Return the refusals that are not among the earlier ones, which `refusals_in` read."""
    return [result for result in results if result.bad and (below(result.file, root), result.kernel) not in earlier]


def below(file: str, root: str) -> str:
    """Return a path as it is below the tree's folder, so that a tree in another place is the same tree."""
    return file.removeprefix(f"{root}/") if root else file


def refusals_in(document: Any, name: str) -> frozenset[tuple[str, str]]:
    """Return (path below the tree, kernel) of every refusal in an object that `check --json` printed.

    Raises:
        UsageError: it is none.
    """
    try:
        root = document.get("root", "")
        return frozenset(
            (below(result["file"], root), result["kernel"])
            for result in document["results"]
            if result["prediction"]["outcome"] in BAD
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{name}: not what pyinsmod check --json printed: {error!r}") from error
