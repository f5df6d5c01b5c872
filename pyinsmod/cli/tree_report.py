"""A tree's results for people: by kernel, then by cause, the biggest first."""

from __future__ import annotations

from pyinsmod.lean import Iterator, Sequence
from pyinsmod.text import printable, shortened
from pyinsmod.tree.grouping import Cause, Group, KernelGroups
from pyinsmod.tree.prediction_words import OUTCOMES
from pyinsmod.tree.results import Symbol, TreeNote

# So many modules, symbols and causes of each kind are named; --json has all of them.
MODULES, SYMBOLS, CAUSES = 3, 6, 12
# What a module of another kernel is refused for.
OF_ANOTHER_KERNEL = frozenset({"elf", "modversions", "vermagic", "symbol-versions"})
_WORDS = {
    "crashes": "would also crash",
    "refuses": "also refused for",
    "cannot-tell": "left open",
    "warns": "warning",
    "taints": "taint",
}


def kernel_lines(groups: KernelGroups, release: str, root: str, differ: Sequence[str] = ()) -> Iterator[str]:
    """Yield one kernel's part of the report, escaped; `differ` tells what it does not share with the modules' own."""
    counts = ", ".join(f"{groups.outcomes[each]} {OUTCOMES[each]}" for each in OUTCOMES if each in groups.outcomes)
    named = groups.kernel if release in ("", "unknown", groups.kernel) else f"{groups.kernel} ({release})"
    yield printable(f"{named}: {counts or 'nothing to check'}")
    decisive = [group for group in groups.groups if group.decisive]
    for group in decisive[:CAUSES]:
        yield from _group_lines(group, root, differ if group.cause.check in OF_ANOTHER_KERNEL else ())
    if len(decisive) > CAUSES:
        rest = sum(len(group.files) for group in decisive[CAUSES:])
        yield f"  and {plural(rest, 'module')} for {len(decisive) - CAUSES} more reasons (--json has all)"
    others = [group for group in groups.groups if not group.decisive]
    for group in others[:CAUSES]:
        words = _WORDS[group.cause.severity]
        yield printable(f"  {words}: {plural(len(group.files), 'module')}: {_what(group)}")
    if len(others) > CAUSES:
        yield f"  and {len(others) - CAUSES} more remarks (--json has all)"


def _group_lines(group: Group, root: str, differ: Sequence[str]) -> Iterator[str]:
    cause = group.cause
    errno = f" ({cause.errno} at step {cause.step})" if cause.errno else ""
    yield printable(f"  {plural(len(group.files), 'module')}{errno}: {_what(group)}")
    if cause.module_has and cause.kernel_has:
        yield printable(f"      modules: {shortened(cause.module_has)}")
        yield printable(f"      kernel:  {shortened(cause.kernel_has)}")
    yield from (printable(f"      {line}") for line in differ)
    for symbol, count in group.symbols[:SYMBOLS]:
        owner = f" (of module '{symbol.owner}')" if symbol.owner else ""
        yield printable(f"      {count:5} {symbol.name}{owner}")
    if len(group.symbols) > SYMBOLS:
        yield f"      and {len(group.symbols) - SYMBOLS} more"
    yield printable(f"      such as {_examples(group.files, root)}")
    if cause.remedy:
        yield printable(f"      do: {shortened(cause.remedy)}")


def _what(group: Group) -> str:
    cause = group.cause
    if cause.summary:
        return shortened(cause.summary)
    many = plural(len(group.symbols), "symbol")
    if cause.check == "symbols":
        return f"{many} that neither this kernel nor a module exports"
    return f"{many} of another version (CRC) than the modules were built with"


def _examples(files: Sequence[str], root: str) -> str:
    names = [file.removeprefix(f"{root}/") for file in files[:MODULES]]
    more = f" and {len(files) - MODULES} more" if len(files) > MODULES else ""
    return ", ".join(names) + more


def note_lines(notes: Sequence[TreeNote]) -> Iterator[str]:
    """Yield what is said of the tree itself, escaped."""
    if notes:
        yield "the tree itself:"
        yield from (printable(f"  {note.text}") for note in notes)


def plural(count: int, word: str) -> str:
    """Return a number with its word."""
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def cause_text(cause: Cause, symbols: Sequence[tuple[Symbol, int]]) -> str:
    """Return a cause in one line."""
    return _what(Group(cause, (), decisive=True, symbols=tuple(symbols)))
