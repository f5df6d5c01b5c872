"""Features of the running loader, decided when somebody asks: each may be a search through megabytes of texts."""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, Any, Iterator, Mapping

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.sources import RunningSources

# Every loader has this sentence (`simplify_symbols`); where it is missing, no other's absence means a thing.
OF_EVERY_LOADER = b"Unknown symbol %s (err %d)"


class LookedUpFeatures(Mapping[str, bool]):
    """Feature → whether it shows in the kernel's texts, which stand in its memory.

    Args:
        sources: where the kernel is read from.
        texts_at: where the texts begin and end.
        decided: what was decided before.
    """

    def __init__(self, sources: RunningSources, texts_at: tuple[int, int], decided: Mapping[str, bool | None]) -> None:
        self._sources = sources
        self._texts_at = texts_at
        self._decided = dict(decided)
        self._texts: bytes | None = None

    def to_plain(self) -> tuple[Any, ...]:
        """Return all arguments but the first, as built-in types only."""
        return self._texts_at, self._decided

    def __getitem__(self, name: str) -> bool:
        if name not in self._decided:
            try:
                self._decided[name] = self._decide(name)
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

    def _decide(self, name: str) -> bool | None:
        from pyinsmod.kernel_facts.features import FEATURES, shows
        from pyinsmod.kernel_facts.kallsyms import lists, lists_export

        def has_symbol(symbol: str) -> bool:
            return lists(self._sources.kallsyms.value or b"", symbol)

        def has_export(symbol: str) -> bool:
            return lists_export(self._sources.read_only_lines, symbol)

        return shows(FEATURES[name], has_symbol, self._has_text, has_export) if name in FEATURES else None

    def _has_text(self, text: bytes) -> bool:
        return text in self.texts()

    def texts(self) -> bytes:
        """Return the kernel's texts.

        Raises:
            OSError, ValueError: see KernelMemory.read.
        """
        if self._texts is None:
            start, end = self._texts_at
            self._texts = self._sources.memory.read(start, end - start)
        return self._texts
