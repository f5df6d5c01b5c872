"""The kernel's own table of symbols, in its memory: what /proc/kallsyms is made of, and sooner read than that.

kernel/kallsyms.c, made by scripts/kallsyms.c. Symbols are in the order of their addresses; how their names stand there
is told in symbol_names.py. Nothing says where the tables stand, but they stand side by side in the read-only data, and
each proves its neighbours:

    number of symbols · names · markers (where every 256th name begins) · tokens · token index (where each begins)

The digits tell where the tokens are, as every kernel has symbols with digits. Addresses stand before all this (5.10,
6.1) or behind it (6.12, 7.2), in one of three ways; the right one is that by which `__start_rodata` is where it is.
"""

from __future__ import annotations

from pyinsmod.kernel_facts.symbol_names import BLOCK, Names, scanned, split, unpacked
from pyinsmod.lean import (
    TYPE_CHECKING,
    Callable,
    Container,
    Iterable,
    Iterator,
    Mapping,
    NamedTuple,
    Sequence,
    TypeAlias,
)

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.kcore import KernelMemory, MemoryWindow

DIGITS = b"\0".join((b"", *(b"%d" % digit for digit in range(10)), b""))
TOKENS, INDEX_SIZE, OFFSET_SIZE, BASE_SIZE = 256, 512, 4, 8
# All tokens take a kilobyte, markers of 200,000 symbols three, a block of names some five (none more than 256 of 512).
LARGEST_TOKENS, LARGEST_MARKERS, LARGEST_BLOCK = 1 << 13, 1 << 14, 1 << 16
# How far they may be from the tokens, and every how many words one looks for four that rise like them.
FURTHEST_MARKERS, MARKERS_STEP = 1 << 20, 64
# So many names at most are looked at of one address.
MOST_NAMES = 64
# As many words of addresses as are read at once.
WORDS_PIECE = 1 << 10
# The part of the read-only data that the tokens stand behind in all kernels seen: 0.33 to 0.36 of it is before them.
LIKELY_FROM = 0.25
# Symbols that stand in long runs, by how their names begin: export entries and flags, and their sizes. Names of exports
# are of different sizes, but have a section of their own: nothing else stands between two of them.
RUNS = {b"__ksymtab_": 12, b"__flags_": 1, b"__kstrtab": 0}
FIRST = "__start_rodata"

AddressOf = Callable[[int], int]
_Way: TypeAlias = tuple[int, AddressOf]
"""Where the words stand that tell addresses, and what tells the address of a symbol by its number."""


def read_only_data(iomem: bytes, memory: KernelMemory) -> MemoryWindow:
    """Return where /proc/iomem (`START-END : Kernel rodata`, on x86) says that read-only data stands.

    Raises:
        ValueError: it does not say so, or not to this process.
        OSError: the memory cannot be read.
    """
    words = iomem.partition(b" : Kernel rodata")[0].rpartition(b"\n")[2]
    start, end = (int(word, 16) for word in words.split(b"-"))
    return memory.window(memory.address_of(start), end + 1 - start)


class _Place(NamedTuple):
    """Where the names are: `total` of them, the first at `start` in the window."""

    start: int
    total: int
    markers: Sequence[int]
    tokens: Sequence[bytes]


class SymbolTable:
    """The symbols in a window of the kernel's memory, which is its read-only data.

    Raises:
        ValueError: there is no table, or it is of another layout.
        OSError: the memory cannot be read; so do all methods.
    """

    def __init__(self, window: MemoryWindow) -> None:
        self._window = window
        tokens_at, index_end, tokens = _tokens_in(window)
        self._place, total_at = _names_before(window, tokens_at, tokens)
        for words_at, address in _ways(window, self._place, total_at, index_end):
            self._address = address
            if FIRST.encode() in self.names_at(window.start):
                ends = words_at, words_at + self._place.total * OFFSET_SIZE, self._place.start, index_end
                self.span = window.start + min(ends), window.start + max(ends)
                return
        raise ValueError("the symbol table has addresses of an unknown kind")

    span: tuple[int, int]
    """The addresses where it begins and ends; it may go on a little."""

    def names_at(self, address: int) -> tuple[bytes, ...]:
        """Return the names of the symbols at an address."""
        first, found = self._first_from(address), []
        for number in range(first, min(first + MOST_NAMES, self._place.total)):
            if self._address(number) != address:
                break
            block, place = divmod(number, BLOCK)
            names = self._blocks(block, block + 1)
            found.append(unpacked(split(names.content, place + 1)[0][place], names.tokens))
        return tuple(found)

    def addresses_of(self, names: Iterable[str]) -> Mapping[str, int]:
        """Return the addresses of those of some symbols that stand in the window, or right at its end."""
        first, end = self._first_from(self._window.start), self._first_from(self._window.start + len(self._window) + 1)
        some = self._blocks(first // BLOCK, -(-end // BLOCK))
        wanted = {name.encode(): name for name in names}
        found: dict[str, int] = {}
        for number, name in scanned(some, wanted, self._runs(some)):
            if first <= number < end:
                found.setdefault(wanted[name], self._address(number))
        return found

    def _runs(self, names: Names) -> Container[int]:
        """Return the blocks that hold nothing but parts of a run, as the addresses of the first names tell.

        As much room as there is between them, so many parts it holds, which have a name each; so there is no other.
        """
        runs = set()
        beginnings = [names.beginning(block) for block in range(len(names.starts))]
        for block in range(len(beginnings) - 1):
            for start, size in RUNS.items():
                if beginnings[block].startswith(start) and beginnings[block + 1].startswith(start):
                    number = names.first + block * BLOCK
                    if not size or self._address(number + BLOCK) - self._address(number) == size * BLOCK:
                        runs.add(block)
        return runs

    def _first_from(self, address: int) -> int:
        """Return the number of the first symbol that is not below an address."""
        low, high = 0, self._place.total
        while low < high:
            middle = (low + high) // 2
            if self._address(middle) < address:
                low = middle + 1
            else:
                high = middle
        return low

    def _blocks(self, first: int, end: int) -> Names:
        """Return the names from one marker to another; behind the last ones stands something else."""
        start, total, markers, tokens = self._place
        some = markers[first:end]
        if not some:
            return Names(b"", (), 0, 0, tokens)
        until = markers[end] if end < len(markers) else markers[-1] + LARGEST_BLOCK
        starts = [each - some[0] for each in some]
        content = self._window[start + some[0] : start + until]
        return Names(content, starts, first * BLOCK, min(len(some) * BLOCK, total - first * BLOCK), tokens)


def _tokens_in(window: MemoryWindow) -> tuple[int, int, Sequence[bytes]]:
    """Return where the tokens begin, where their index ends, and the tokens."""
    for digits in _digits_in(window):
        behind = window[digits : digits + LARGEST_TOKENS]
        from_zero = behind.split(b"\0", TOKENS - ord("0"))
        length = len(behind) - len(from_zero.pop())
        for index_at in {_aligned(digits + length, 4), _aligned(digits + length, 8)}:
            index = memoryview(window[index_at : index_at + INDEX_SIZE].ljust(INDEX_SIZE)).cast("H").tolist()
            tokens_at = digits - index[ord("0")]
            tokens = window[tokens_at : digits + length].split(b"\0")
            if tokens_at >= 0 and len(tokens) == TOKENS + 1 and index == _places(tokens[:TOKENS]):
                return tokens_at, index_at + INDEX_SIZE, tokens[:TOKENS]
    raise ValueError("no tokens of a symbol table")


def _digits_in(window: MemoryWindow) -> Iterator[int]:
    """Yield where ten digits stand: first where they mostly are, behind names that take a tenth of the window."""
    likely = int(len(window) * LIKELY_FROM)
    for start, end in ((likely, len(window)), (0, likely + len(DIGITS))):
        at = window.find(DIGITS, start, end)
        while at >= 0:
            yield at + 1
            at = window.find(DIGITS, at + 1, end)


def _places(strings: Sequence[bytes]) -> list[int]:
    """Return where each of some strings begins that stand one after the other, each with a NUL at its end."""
    places, at = [], 0
    for string in strings:
        places.append(at)
        at += len(string) + 1
    return places


def _names_before(window: MemoryWindow, tokens_at: int, tokens: Sequence[bytes]) -> tuple[_Place, int]:
    """Return the names, and where their number stands: it is right when the last ones end where the markers begin."""
    markers_at, markers = _markers_before(window, tokens_at)
    nearest = (markers_at - markers[-1]) // OFFSET_SIZE * OFFSET_SIZE
    before = _words(window, nearest - LARGEST_BLOCK, max(nearest, 0))
    in_blocks = BLOCK * (len(markers) - 1)
    for words_back in range(len(before) - 2):
        start = nearest - words_back * OFFSET_SIZE
        for place in (1, 2):  # right before the names, or eight bytes before
            last = before[-words_back - place] - in_blocks
            if 0 < last <= BLOCK and _ends_at(window, start + markers[-1], last, markers_at):
                return _Place(start, in_blocks + last, markers, tokens), start - place * OFFSET_SIZE
    raise ValueError("no names before the markers of the symbol table")


def _markers_before(window: MemoryWindow, end: int) -> tuple[int, Sequence[int]]:
    """Return where the markers begin, and the markers: numbers from 0 on that rise by what 256 names take.

    They end where the tokens begin, or before three bytes for each symbol (`kallsyms_seqs_of_names`, in 6.1.y).
    """
    for piece_end in range(end, max(end - FURTHEST_MARKERS, 0), -LARGEST_MARKERS):
        words = _words(window, piece_end - LARGEST_MARKERS, piece_end)
        for there in range(len(words), 3, -MARKERS_STEP):
            if (
                BLOCK < words[there - 1] - words[there - 2] < LARGEST_BLOCK
                and len(_rising(words[there - 4 : there])) == 4
            ):
                at = piece_end - (len(words) - there) * OFFSET_SIZE
                before = _rising(_words(window, at - LARGEST_MARKERS, at)[::-1], -1)
                behind = _rising([before[0], *_words(window, at, min(at + LARGEST_MARKERS, end))])
                if not before[-1]:
                    return at - len(before) * OFFSET_SIZE, [*before[::-1], *behind[1:]]
    raise ValueError("no markers before the tokens of the symbol table")


def _rising(words: Sequence[int] | memoryview, direction: int = 1) -> list[int]:
    """Return the numbers at the beginning that rise like markers."""
    found = list(words[:1])
    for word in words[1:]:
        if not BLOCK < (word - found[-1]) * direction < LARGEST_BLOCK:
            break
        found.append(word)
    return found


def _ends_at(window: MemoryWindow, start: int, count: int, end: int) -> bool:
    """Tell whether so many names end there, but for what fills up to eight bytes."""
    try:
        return 0 <= end - start - split(window[start:end], count)[1] < 8
    except ValueError:
        return False


def _ways(window: MemoryWindow, names: _Place, total_at: int, index_end: int) -> Iterator[_Way]:
    """Yield what may tell the address of a symbol by its number: words before the names, or behind the index."""
    size = names.total * OFFSET_SIZE
    base_before = total_at - BASE_SIZE
    yield from _addresses(window, base_before - _aligned(size, BASE_SIZE), base_before)
    # Nothing is between: everything is aligned alike, and the index is as long as any alignment wants it.
    for base_behind in (index_end + size, _aligned(index_end + size, BASE_SIZE)):
        yield from _addresses(window, index_end, base_behind)


def _addresses(window: MemoryWindow, words_at: int, base_at: int) -> Iterator[_Way]:
    """Yield the ways in which kernels have counted (`kallsyms_sym_address`)."""
    base = int.from_bytes(window[base_at : base_at + BASE_SIZE], "little")
    pieces: dict[int, memoryview] = {}

    def word(number: int) -> int:
        piece, place = divmod(number, WORDS_PIECE)
        if piece not in pieces:
            at = words_at + piece * WORDS_PIECE * OFFSET_SIZE
            content = window[at : at + WORDS_PIECE * OFFSET_SIZE] if at >= 0 else b""
            pieces[piece] = memoryview(content.ljust(WORDS_PIECE * OFFSET_SIZE, b"\0")).cast("i")
        return pieces[piece][place]

    def of_percpu(number: int) -> int:
        distance = word(number)
        return base - 1 - distance if distance < 0 else distance

    # CONFIG_KALLSYMS_ABSOLUTE_PERCPU (5.10 to 6.12): what is not negative is an address, the rest counts from the base.
    yield words_at, of_percpu
    # Without it.
    yield words_at, lambda number: base + (word(number) & 0xFFFFFFFF)
    # 7.2: from where the word stands.
    yield words_at, lambda number: window.start + words_at + number * OFFSET_SIZE + word(number)


def _words(window: MemoryWindow, start: int, end: int) -> memoryview:
    """Return the 32-bit numbers there; what of them is not in the window is left out."""
    content = window[max(start, start % OFFSET_SIZE) : end]
    return memoryview(content[: len(content) // OFFSET_SIZE * OFFSET_SIZE]).cast("I")


def _aligned(at: int, to: int) -> int:
    return at + -at % to
