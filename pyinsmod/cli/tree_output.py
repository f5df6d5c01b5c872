"""What becomes of a tree's results: text or JSON, files for build servers, and the exit status."""

from __future__ import annotations

from pyinsmod.cli.check_tree_options import TreeOptions
from pyinsmod.cli.tree_report import OF_ANOTHER_KERNEL, kernel_lines, note_lines, plural
from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.lean import NamedTuple, Sequence
from pyinsmod.text import printable
from pyinsmod.tree.baseline import broken_since, refusals_in, worse
from pyinsmod.tree.grouping import KernelGroups, grouped
from pyinsmod.tree.results import ModuleResult
from pyinsmod.tree.tree_check import TreeCheck
from vm.cache_folder import cache_folder

CANNOT_TELL = 3


class Outcome(NamedTuple):
    """The command line, the check that was made, and all its results."""

    options: TreeOptions
    check: TreeCheck
    results: Sequence[ModuleResult]


def write(outcome: Outcome) -> int:
    """Print and write what was asked for; return the exit status."""
    options, check, results = outcome
    judged, known = _judged(outcome)
    groups = [grouped(judged, name) for name in _kernels(outcome)]
    if options.json:
        import json

        from pyinsmod.cli.tree_json import document

        print(json.dumps(document(check, results)))
    elif not options.json_lines:
        _print_text(outcome, groups, known)
    _write_files(outcome, judged, groups)
    return _status(judged, outcome)


def _kernels(outcome: Outcome) -> list[str]:
    names = [kernel.facts.name for kernel in outcome.check.kernels]
    return [name for name in names if name != outcome.options.since]


def _judged(outcome: Outcome) -> tuple[list[ModuleResult], dict[str, int]]:
    """Return the results that count, and how many refusals of each kernel do not because they are no news."""
    options, check, results = outcome
    counted, known = list(results), dict[str, int]()
    if options.since:
        counted, known = broken_since(results, options.since)
    if options.baseline:
        earlier = refusals_in(_earlier(options.baseline), options.baseline)
        fresh = worse(counted, check.found.root, earlier)
        for result in counted:
            if result.bad and result not in fresh:
                known[result.kernel] = known.get(result.kernel, 0) + 1
        counted = [result for result in counted if not result.bad or result in fresh]
    return counted, known


def _earlier(file: str) -> object:
    import json
    from pathlib import Path

    try:
        return json.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else f"no JSON: {error}"
        raise UsageError(f"{file}: {why}") from error


def _print_text(outcome: Outcome, groups: Sequence[KernelGroups], known: dict[str, int]) -> None:
    options, check, _ = outcome
    releases = {kernel.facts.name: kernel.facts.release for kernel in check.kernels}
    print(printable(f"{plural(len(check.found.files), 'module file')} below {check.found.root or '.'}"))
    for each in groups:
        print()
        if options.since and not each.groups:
            print(printable(f"{each.kernel}: nothing that reaches init on {options.since} is refused"))
        else:
            for line in kernel_lines(each, releases[each.kernel], check.found.root, _differ(each, check)):
                print(line)
        if known.get(each.kernel):
            print(f"  no news: {plural(known[each.kernel], 'module')} refused before as well")
    notes = list(note_lines(check.notes()))
    if notes:
        print("", *notes, sep="\n")


def _differ(groups: KernelGroups, check: TreeCheck) -> list[str]:
    """Say what the kernel does not share with the one that refused modules were built for."""
    if not any(group.decisive and group.cause.check in OF_ANOTHER_KERNEL for group in groups.groups):
        return []
    from pyinsmod.cli.kernels import kernel_of_tree
    from pyinsmod.tree.kernel_differences import differences

    releases = {row.vermagic.partition(b" ")[0].decode(errors="replace") for row in check.rows if row.vermagic}
    if len(releases) != 1:
        return [f"the modules are built for {len(releases)} kernels"] if releases else []
    (release,) = releases
    kernel = next(each for each in check.kernels if each.facts.name == groups.kernel)
    built_for = kernel_of_tree(check.found.root, release)
    if built_for is None:
        return [f"what differs cannot be named: kernel {release}, which they are built for, is not at hand"]
    cache = FactsCache(f"{cache_folder()}/facts")
    return list(differences(built_for, kernel, cache)) if release != kernel.facts.release else []


def _write_files(outcome: Outcome, judged: Sequence[ModuleResult], groups: Sequence[KernelGroups]) -> None:
    options, root = outcome.options, outcome.check.found.root
    if options.sarif:
        from pyinsmod.cli.ci_reports.sarif import as_sarif

        _write(options.sarif, as_sarif(judged, root))
    if options.junit:
        from pyinsmod.cli.ci_reports.junit import as_junit

        _write(options.junit, as_junit(judged, root))
    if options.github_summary:
        from pyinsmod.cli.ci_reports.github_summary import as_summary

        _write(options.github_summary, as_summary(groups, root), append=True)


def _write(file: str, text: str, *, append: bool = False) -> None:
    from pathlib import Path

    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        with Path(file).open("a" if append else "w", encoding="utf-8", errors="backslashreplace") as opened:
            opened.write(text)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error


def _status(judged: Sequence[ModuleResult], outcome: Outcome) -> int:
    if any(result.bad for result in judged):
        return 1
    counted = set(_kernels(outcome))
    open_ = any(each.prediction.outcome == "cannot-tell" and each.kernel in counted for each in outcome.results)
    return CANNOT_TELL if open_ else 0
