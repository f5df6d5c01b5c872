"""The kernel's own table of symbols, in its memory: what /proc/kallsyms is made of, and sooner read than that.

kernel/kallsyms.c, made by scripts/kallsyms.c. Symbols are in the order of their addresses. A name is a length and so
many bytes, and each byte stands for one of 256 tokens; its first letter is the symbol's type. Nothing says where the
tables stand, but they stand side by side in the read-only data, and each proves its neighbours:

    number of symbols · names · markers (where every 256th name begins) · tokens · token index (where each begins)

The digits tell where the tokens are, as every kernel has symbols with digits. Addresses stand before all this (5.10,
6.1) or behind it (6.12, 7.2), in one of three ways; the right one is that by which `__start_rodata` is where it is.
"""

from __future__ import annotations

from pyinsmod.lean import TYPE_CHECKING, Callable, Iterable, Iterator, Mapping, NamedTuple, Sequence

if TYPE_CHECKING:
    from pyinsmod.kernel_facts.kcore import KernelMemory, MemoryWindow

DIGITS = b"\0".join((b"", *(b"%d" % digit for digit in range(10)), b""))
TOKENS, INDEX_SIZE, OFFSET_SIZE, BASE_SIZE = 256, 512, 4, 8
# Symbols from one marker to the next.
BLOCK = 256
# All tokens take a kilobyte, markers of 200,000 symbols three, a block of names some five (none more than 256 of 512).
LARGEST_TOKENS, LARGEST_MARKERS, LARGEST_BLOCK = 1 << 13, 1 << 14, 1 << 16
# How far they may be from the tokens, and every how many words one looks for four that rise like them.
FURTHEST_MARKERS, MARKERS_STEP = 1 << 20, 64
# Lengths of two bytes, in kernels that have such names, have this bit in the first.
LONG_NAME = 0x80
# So many names at most are looked at of one address.
MOST_NAMES = 64
# By so many letters names are told apart at first; none that is wanted is shorter.
SHORTEST_WANTED = 4
FIRST = "__start_rodata"

AddressOf = Callable[[int], int]


def read_only_data(iomem: bytes, memory: KernelMemory) -> MemoryWindow:
    """Return where /proc/iomem (`START-END : Kernel rodata`, on x86) says that read-only data stands.

    Raises:
        ValueError: it does not say so, or not to this process.
        OSError: the memory cannot be read.
    """
    words = iomem.partition(b" : Kernel rodata")[0].rpartition(b"\n")[2]
    start, end = (int(word, 16) for word in words.split(b"-"))
    return memory.window(memory.address_of(start), end + 1 - start)


class Names(NamedTuple):
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
        self._names, total_at = _names_before(window, tokens_at, tokens)
        for address in _ways(window, self._names, total_at, index_end):
            self._address = address
            if FIRST.encode() in self.names_at(window.start):
                return
        raise ValueError("the symbol table has addresses of an unknown kind")

    def names_at(self, address: int) -> tuple[bytes, ...]:
        """Return the names of the symbols at an address."""
        first, found = self._first_from(address), []
        for number in range(first, min(first + MOST_NAMES, self._names.total)):
            if self._address(number) != address:
                break
            block, place = divmod(number, BLOCK)
            found.append(_unpacked(_split(self._block(block), place + 1)[0][place], self._names.tokens))
        return tuple(found)

    def addresses_of(self, names: Iterable[str]) -> Mapping[str, int]:
        """Return the addresses of those of some symbols that stand in the window, or right at its end."""
        window, tokens = self._window, self._names.tokens
        first, end = self._first_from(window.start), self._first_from(window.start + len(window) + 1)
        wanted = {name.encode(): name for name in names}
        likely = _Likely(wanted, tokens)
        found: dict[str, int] = {}
        for block in range(first // BLOCK, -(-end // BLOCK)):
            for place, packed in likely.among(self._block(block), self._in_block(block)):
                name = _unpacked(packed, tokens)
                if name in wanted and first <= block * BLOCK + place < end:
                    found.setdefault(wanted[name], self._address(block * BLOCK + place))
        return found

    def _first_from(self, address: int) -> int:
        """Return the number of the first symbol that is not below an address."""
        low, high = 0, self._names.total
        while low < high:
            middle = (low + high) // 2
            if self._address(middle) < address:
                low = middle + 1
            else:
                high = middle
        return low

    def _block(self, block: int) -> bytes:
        """Return the names from one marker to the next, packed; behind the last one, something else."""
        start, _, markers, _ = self._names
        at = start + markers[block]
        return self._window[at : start + markers[block + 1] if block + 1 < len(markers) else at + LARGEST_BLOCK]

    def _in_block(self, block: int) -> int:
        return min(BLOCK, self._names.total - block * BLOCK)


def _unpacked(packed: bytes, tokens: Sequence[bytes]) -> bytes:
    """Return a name without its type."""
    return b"".join([tokens[byte] for byte in packed])[1:]


class _Likely(dict[bytes, bool]):
    """The first two bytes of a packed name → whether one of the wanted names may begin so."""

    def __init__(self, wanted: Iterable[bytes], tokens: Sequence[bytes]) -> None:
        self._beginnings = tuple({name[:SHORTEST_WANTED] for name in wanted})
        self._tokens = tokens
        self._first = bytes(self._may_begin(token[1:]) for token in tokens)  # a table for bytes.translate

    def __missing__(self, packed: bytes) -> bool:
        found = self[packed] = self._may_begin(_unpacked(packed, self._tokens))
        return found

    def _may_begin(self, begun: bytes) -> bool:
        return begun.startswith(self._beginnings) or any(each.startswith(begun) for each in self._beginnings)

    def among(self, packed: bytes, count: int) -> Iterator[tuple[int, bytes]]:
        """Yield those of so many names, packed and with their places, that are likely.

        There are ten thousands: to take all of them out, as `_split` does, would take as long as all the rest. Where
        a name has a long length, or something else stands behind the last one, they are all the same.
        """
        begins_likely, at, here = packed[1:].translate(self._first), 0, []
        try:
            for place in range(count):
                if begins_likely[at]:
                    here.append((place, at + 1))
                at += packed[at] + 1
        except IndexError:
            at = -1
        if at != len(packed):
            yield from enumerate(_split(packed, count)[0])
            return
        for place, at in here:
            if self[packed[at : at + 2]]:
                yield place, packed[at : at + packed[at - 1]]


def _split(packed: bytes, count: int) -> tuple[list[bytes], int]:
    """Return so many names, still packed, and where the last one ends."""
    names, at = [], 0
    try:
        for _ in range(count):
            length = packed[at]
            at += 1
            if length & LONG_NAME:
                length = length & ~LONG_NAME | packed[at] << 7
                at += 1
            names.append(packed[at : at + length])
            at += length
    except IndexError:
        raise ValueError("names of the symbol table end before their end") from None
    return names, at


def _tokens_in(window: MemoryWindow) -> tuple[int, int, Sequence[bytes]]:
    """Return where the tokens begin, where their index ends, and the tokens."""
    digits = window.find(DIGITS, 0, len(window)) + 1
    while digits > 0:
        behind = window[digits : digits + LARGEST_TOKENS]
        from_zero = behind.split(b"\0", TOKENS - ord("0"))
        length = len(behind) - len(from_zero.pop())
        for index_at in {_aligned(digits + length, 4), _aligned(digits + length, 8)}:
            index = memoryview(window[index_at : index_at + INDEX_SIZE].ljust(INDEX_SIZE)).cast("H").tolist()
            tokens_at = digits - index[ord("0")]
            tokens = window[tokens_at : digits + length].split(b"\0")
            if tokens_at >= 0 and len(tokens) == TOKENS + 1 and index == _places(tokens[:TOKENS]):
                return tokens_at, index_at + INDEX_SIZE, tokens[:TOKENS]
        digits = window.find(DIGITS, digits, len(window)) + 1
    raise ValueError("no tokens of a symbol table")


def _places(strings: Sequence[bytes]) -> list[int]:
    """Return where each of some strings begins that stand one after the other, each with a NUL at its end."""
    places, at = [], 0
    for string in strings:
        places.append(at)
        at += len(string) + 1
    return places


def _names_before(window: MemoryWindow, tokens_at: int, tokens: Sequence[bytes]) -> tuple[Names, int]:
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
                return Names(start, in_blocks + last, markers, tokens), start - place * OFFSET_SIZE
    raise ValueError("no names before the markers of the symbol table")


def _markers_before(window: MemoryWindow, end: int) -> tuple[int, Sequence[int]]:
    """Return where the markers begin, and the markers: numbers from 0 on that rise by what 256 names take.

    They end where the tokens begin, or before three bytes for each symbol (`kallsyms_seqs_of_names`, in 6.1.y).
    """
    for piece_end in range(end, max(end - FURTHEST_MARKERS, 0), -LARGEST_MARKERS):
        words = _words(window, piece_end - LARGEST_MARKERS, piece_end)
        for there in range(len(words), 3, -MARKERS_STEP):
            if words[there - 4] < words[there - 1] and len(_rising(words[there - 4 : there])) == 4:
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
        return 0 <= end - start - _split(window[start:end], count)[1] < 8
    except ValueError:
        return False


def _ways(window: MemoryWindow, names: Names, total_at: int, index_end: int) -> Iterator[AddressOf]:
    """Yield what may tell the address of a symbol by its number: words before the names, or behind the index."""
    size = names.total * OFFSET_SIZE
    base_before = total_at - BASE_SIZE
    yield from _addresses(window, base_before - _aligned(size, BASE_SIZE), base_before)
    # Nothing is between: everything is aligned alike, and the index is as long as any alignment wants it.
    for base_behind in (index_end + size, _aligned(index_end + size, BASE_SIZE)):
        yield from _addresses(window, index_end, base_behind)


def _addresses(window: MemoryWindow, words_at: int, base_at: int) -> Iterator[AddressOf]:
    """Yield the ways in which kernels have counted (`kallsyms_sym_address`)."""
    base = int.from_bytes(window[base_at : base_at + BASE_SIZE], "little")

    def word(number: int) -> int:
        at = words_at + number * OFFSET_SIZE
        return int.from_bytes(window[at : at + OFFSET_SIZE], "little", signed=True)

    # CONFIG_KALLSYMS_ABSOLUTE_PERCPU (5.10 to 6.12): what is not negative is an address, the rest counts from the base.
    yield lambda number: base - 1 - word(number) if word(number) < 0 else word(number)
    # Without it.
    yield lambda number: base + (word(number) & 0xFFFFFFFF)
    # 7.2: from where the word stands.
    yield lambda number: window.start + words_at + number * OFFSET_SIZE + word(number)


def _words(window: MemoryWindow, start: int, end: int) -> memoryview:
    """Return the 32-bit numbers there; what of them is not in the window is left out."""
    content = window[max(start, start % OFFSET_SIZE) : end]
    return memoryview(content[: len(content) // OFFSET_SIZE * OFFSET_SIZE]).cast("I")


def _aligned(at: int, to: int) -> int:
    return at + -at % to
