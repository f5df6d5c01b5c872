"""Features of the running loader, decided when somebody asks: that is a search through megabytes of texts."""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, Any, Callable, Iterable, Iterator, Mapping, Sequence

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.sources import RunningSources

# Every loader has this sentence (`simplify_symbols`); where it is missing, no other's absence means a thing.
OF_EVERY_LOADER = b"Unknown symbol %s (err %d)"


class LookedUpFeatures(Mapping[str, bool]):
    """Feature → whether it shows in the kernel's texts, which stand in its memory.

    Args:
        sources: returns where the kernel is read from.
        texts_at: where the texts begin and end, in pieces; what is likely to have most of them comes first.
        decided: what was decided before.
    """

    def __init__(
        self,
        sources: Callable[[], RunningSources],
        texts_at: Sequence[tuple[int, int]],
        decided: Mapping[str, bool | None],
    ) -> None:
        self._sources = sources
        self._texts_at = texts_at
        self._decided = dict(decided)

    def to_plain(self) -> tuple[Any, ...]:
        """Return all arguments but the first, as built-in types only."""
        return self._texts_at, self._decided

    def __getitem__(self, name: str) -> bool:
        if name not in self._decided:
            try:
                self._decide(name)
            except (OSError, ValueError) as error:  # the memory was closed since (lockdown can only rise)
                raise KeyError(name) from error
        shown = self._decided[name]
        if shown is None:
            raise KeyError(name)
        return shown

    def __iter__(self) -> Iterator[str]:
        from pyinsmod.kernel_facts.features import FEATURES

        return (name for name in FEATURES if self.get(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def are_of_a_loader(self) -> bool:
        """Tell whether these are the texts of a kernel that loads modules; what checks ask mostly is decided as well.

        Raises:
            OSError, ValueError: see KernelMemory.read.
        """
        from pyinsmod.kernel_facts.features import USUALLY_ASKED

        return OF_EVERY_LOADER in self._decide_by_texts(USUALLY_ASKED)

    def _decide(self, name: str) -> None:
        from pyinsmod.kernel_facts.features import FEATURES, shows
        from pyinsmod.kernel_facts.kallsyms import lists, lists_export

        def has_symbol(symbol: str) -> bool:
            return lists([self._sources().kallsyms.value or b""], symbol)

        def has_export(symbol: str) -> bool:
            return lists_export(self._sources().read_only_lines, symbol)

        evidence = FEATURES.get(name)
        if evidence is None:
            self._decided[name] = None
        elif evidence.messages and not evidence.exports:  # then all that is left, in one go
            self._decide_by_texts(FEATURES)
        else:
            self._decided[name] = shows(evidence, has_symbol, None, has_export)

    def _decide_by_texts(self, names: Iterable[str]) -> frozenset[bytes]:
        """Decide those of some features that show by texts and are not decided; return the texts that are there."""
        from pyinsmod.kernel_facts.features import FEATURES, shows

        wanted = {name: FEATURES[name] for name in names if name not in self._decided}
        wanted = {name: one for name, one in wanted.items() if one.messages and not one.exports}
        texts = frozenset({OF_EVERY_LOADER, *(text for evidence in wanted.values() for text in evidence.messages)})
        found: frozenset[bytes] = frozenset()
        for start, end in self._texts_at:
            found |= self._sources().memory.window(start, end - start).those_in(texts - found)
        self._decided.update({name: shows(one, None, found.__contains__, None) for name, one in wanted.items()})
        return found
