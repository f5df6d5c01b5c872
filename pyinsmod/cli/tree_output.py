"""What becomes of a tree's results: text or JSON, files for build servers, and the exit status."""

from __future__ import annotations

from pyinsmod.cli.check_tree_options import TreeOptions
from pyinsmod.cli.tree_report import OF_ANOTHER_KERNEL, kernel_lines, note_lines, plural
from pyinsmod.errors import UsageError
from pyinsmod.kernel_facts.facts_cache import FactsCache
from pyinsmod.lean import Sequence, cached_property
from pyinsmod.text import printable
from pyinsmod.tree.baseline import BAD, broken_since, refusals_in, worse
from pyinsmod.tree.grouping import KernelGroups, grouped
from pyinsmod.tree.known_tree import KnownTree
from pyinsmod.tree.results import ModuleResult
from vm.cache_folder import cache_folder

CANNOT_TELL = 3


class Output:
    """The command line, and the check that was made.

    Attributes:
        results: those that count; made when they are asked for, which a report of everything by cause does not.
        known: kernel → how many refusals do not count, because they are no news.
    """

    def __init__(self, options: TreeOptions, check: KnownTree) -> None:
        self.options, self.check = options, check
        names = [kernel.facts.name for kernel in check.kernels]
        self._kernels = [name for name in names if name != options.since]
        self._everything = not options.since and not options.baseline

    def write(self) -> int:
        """Print and write what was asked for; return the exit status."""
        options, check = self.options, self.check
        if options.json:
            import json

            from pyinsmod.cli.tree_json import document

            print(json.dumps(document(check)))
        elif not options.json_lines:
            self._print_text()
        self._write_files()
        return self._status()

    @cached_property
    def _groups(self) -> list[KernelGroups]:
        if self._everything:
            return list(map(self.check.groups, self._kernels))
        return [grouped(self.results, name) for name in self._kernels]

    @property
    def results(self) -> Sequence[ModuleResult]:
        """The results that count."""
        return self._judged[0]

    @property
    def known(self) -> dict[str, int]:
        """How many refusals of each kernel are no news."""
        return {} if self._everything else self._judged[1]

    @cached_property
    def _judged(self) -> tuple[Sequence[ModuleResult], dict[str, int]]:
        options, check = self.options, self.check
        counted, known = list(check.results), dict[str, int]()
        if options.since:
            counted, known = broken_since(counted, options.since)
        if options.baseline:
            earlier = refusals_in(_earlier(options.baseline), options.baseline)
            fresh = worse(counted, check.found.root, earlier)
            for result in counted:
                if result.bad and result not in fresh:
                    known[result.kernel] = known.get(result.kernel, 0) + 1
            counted = [result for result in counted if not result.bad or result in fresh]
        return counted, known

    def _print_text(self) -> None:
        options, check = self.options, self.check
        groups, known = self._groups, self.known
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

    def _write_files(self) -> None:
        options, root = self.options, self.check.found.root
        if options.sarif:
            from pyinsmod.cli.ci_reports.sarif import as_sarif

            _write(options.sarif, as_sarif(self.results, root))
        if options.junit:
            from pyinsmod.cli.ci_reports.junit import as_junit

            _write(options.junit, as_junit(self.results, root))
        if options.github_summary:
            from pyinsmod.cli.ci_reports.github_summary import as_summary

            _write(options.github_summary, as_summary(self._groups, root), append=True)

    def _status(self) -> int:
        outcomes = [self.check.groups(name).outcomes for name in self._kernels]
        if self._everything:
            bad = any(name in each for each in outcomes for name in BAD)
        else:
            bad = any(result.bad for result in self.results)
        return 1 if bad else CANNOT_TELL if any("cannot-tell" in each for each in outcomes) else 0


def _earlier(file: str) -> object:
    import json
    from pathlib import Path

    try:
        return json.loads(Path(file).read_text())
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else f"no JSON: {error}"
        raise UsageError(f"{file}: {why}") from error


def _differ(groups: KernelGroups, check: KnownTree) -> list[str]:
    """Say what the kernel does not share with the one that refused modules were built for."""
    if not any(group.decisive and group.cause.check in OF_ANOTHER_KERNEL for group in groups.groups):
        return []
    from pyinsmod.cli.kernels import kernel_of_tree
    from pyinsmod.tree.kernel_differences import differences

    releases = check.common.releases
    if len(releases) != 1:
        return [f"the modules are built for {len(releases)} kernels"] if releases else []
    (release,) = releases
    kernel = next(each for each in check.kernels if each.facts.name == groups.kernel)
    built_for = kernel_of_tree(check.found.root, release)
    if built_for is None:
        return [f"what differs cannot be named: kernel {release}, which they are built for, is not at hand"]
    cache = FactsCache(f"{cache_folder()}/facts")
    return list(differences(built_for, kernel, cache)) if release != kernel.facts.release else []


def _write(file: str, text: str, *, append: bool = False) -> None:
    from pathlib import Path

    try:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        with Path(file).open("a" if append else "w", encoding="utf-8", errors="backslashreplace") as opened:
            opened.write(text)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
