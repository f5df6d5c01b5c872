"""`pyinsmod check FOLDER`: a whole tree of modules, or a package of them, against one kernel or many."""

from __future__ import annotations

import gc
import os

from pyinsmod.cli.check_tree_options import TreeOptions, tree_options
from pyinsmod.cli.choices import spelt_out
from pyinsmod.cli.kernels import PACKAGES
from pyinsmod.cli.terminal import complain
from pyinsmod.errors import PyinsmodError, UsageError
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.kernel_facts.other_kernel import OtherKernel
from pyinsmod.lean import Iterable, Sequence
from pyinsmod.tree.found import Found, common_root, modules_below
from pyinsmod.tree.known_tree import KnownTree
from pyinsmod.tree.results import ModuleResult
from pyinsmod.tree.tree_check import Engine, EngineLost, LocalProcesses
from vm.cache_folder import cache_folder

CANNOT_TELL = 3


def run(argv: Sequence[str]) -> int:
    """Predict; exit status 0 all reach init, 1 some (or some more than before) are refused, 2 usage, 3 cannot tell."""
    options = tree_options(argv)
    gc.disable()  # what is made here is kept to the end: to look through it again and again finds nothing
    _insist_on_places_for_reports(options)
    found = _found(options.paths)
    kernels, unknown = _kernels(options.kernel, options.since)
    try:
        check = _checked(options, found, kernels)
    except EngineLost as lost:
        complain(str(lost))
        return CANNOT_TELL
    status = _output(options, check)
    return status or (CANNOT_TELL if unknown or found.unreadable else 0)


def _insist_on_places_for_reports(options: TreeOptions) -> None:
    """Raise UsageError for a report that cannot be written, before anything is checked."""
    reports = {"--sarif": options.sarif, "--junit": options.junit, "--github-summary": options.github_summary}
    for option, file in reports.items():
        if file is None:
            continue
        from pathlib import Path

        from pyinsmod.cli.report_files import why_unwritable

        if why := why_unwritable(Path(file)):
            raise UsageError(f"{option} {file}: {why}")


def _checked(options: TreeOptions, found: Found, kernels: Sequence[OtherKernel]) -> KnownTree:
    """Check everything, here or by the workers of a cluster."""
    if options.scheduler is None:
        return _checked_by(LocalProcesses(options.jobs), options, found, kernels)
    from pyinsmod.cluster.engine import DaskCluster

    gc.enable()
    with DaskCluster(options.scheduler) as cluster:
        return _checked_by(cluster, options, found, kernels)


def _checked_by(engine: Engine, options: TreeOptions, found: Found, kernels: Sequence[OtherKernel]) -> KnownTree:
    check = KnownTree(
        found,
        kernels,
        _cache(),
        relocations=not options.no_relocations,
        whole=options.json or options.json_lines,
        engine=engine,
        kept=None if options.no_cache else f"{cache_folder()}/rows",
    )
    if options.json_lines:
        _stream(check.run())
    else:
        check.finish()
    return check


def _found(paths: Sequence[str]) -> Found:
    """Return all files of all paths; raise UsageError when there are none."""
    files: list[str] = []
    unreadable: list[tuple[str, str]] = []
    listings: list[str] = []
    for path in paths:
        place = _unpacked(path) if path.endswith(PACKAGES) and os.path.isfile(path) else path  # noqa: PTH113
        if not os.path.lexists(place):
            raise UsageError(f"{path}: no such file or folder")
        below = modules_below(place) if os.path.isdir(place) else Found(place, (place,))  # noqa: PTH112
        if not below.files and not below.unreadable:
            raise UsageError(f"{path}: no modules below this folder")
        files += below.files
        unreadable += below.unreadable
        listings += below.listings
    for folder, why in unreadable:
        complain(f"{folder}: {why}")
    return Found(common_root(paths), tuple(dict.fromkeys(files)), tuple(unreadable), tuple(listings))


def _unpacked(package: str) -> str:
    from pyinsmod.cli.kernels import unpacked_package

    return str(unpacked_package(package))


def _cache() -> FactsCache:
    return FactsCache(f"{cache_folder()}/facts")


def _kernels(names: Sequence[str], since: str | None) -> tuple[list[OtherKernel], bool]:
    """Return the kernels, the one compared with last, and whether one is none: then the others are checked.

    Raises:
        UsageError: none of them is a kernel.
    """
    from pyinsmod.cli.kernels import RUNNING, kernel_named, stored_kernels

    asked = spelt_out(names or (RUNNING,), stored_kernels)
    if asked == [since]:
        raise UsageError(f"--since {since}: that is the kernel itself; --kernel names the one to be compared with it")
    asked += [since] if since else []
    found: list[OtherKernel] = []
    failed: list[PyinsmodError] = []
    for name in dict.fromkeys(asked):
        try:
            found.append(kernel_named(name))
        except PyinsmodError as error:
            failed.append(error)
    if len(found) <= bool(since) and failed:
        raise failed[0]
    if not found:
        raise UsageError("there are no kernels in the store: pyinsmod vm fetch 6.1")
    for failure in failed:
        complain(str(failure))
    return found, bool(failed)


def _stream(results: Iterable[ModuleResult]) -> None:
    import json

    from pyinsmod.cli.tree_json import as_json

    for result in results:
        print(json.dumps(as_json(result)), flush=True)


def _output(options: TreeOptions, check: KnownTree) -> int:
    from pyinsmod.cli.tree_output import Output

    return Output(options, check).write()
