"""The BTF that other BTF continues: that of vmlinux, millions of bytes, of which as little as possible is read."""

from __future__ import annotations

from pyinsmod.btf import HEADER, MAGIC, TYPE, Searchable
from pyinsmod.errors import MalformedModule
from pyinsmod.lean import Any, NamedTuple, cached_property, os

# What follows struct btf_type, in words of 4 bytes: so many, and so many for each of its vlen elements, by kind.
FIXED_TAIL = (0, 1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0)
TAIL_PER_ELEMENT = (0, 0, 0, 0, 3, 3, 2, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 0, 0, 3)
KINDS = len(FIXED_TAIL)

# So much of a name is read first: nearly all are shorter.
USUAL_NAME = 64
# So much of the types is read at once to count them: memory for all takes as long to get hold of as to read it.
PIECE = 1 << 16


class _Steps(dict[int, int]):
    """`info` of a type → words to the next one. A kernel has but some hundred different `info`."""

    def __missing__(self, info: int) -> int:
        kind, count = info >> 24 & 0x1F, info & 0xFFFFFF
        step = self[info] = 3 + (FIXED_TAIL[kind] + TAIL_PER_ELEMENT[kind] * count if kind < KINDS else 0)
        return step


_STEPS = _Steps()
_KNOWN_STEPS: dict[int, int] = {}
"""Never the wrong one for an `info`, so all can share them; the second is a bare dictionary, which is quicker."""


def fills(types: bytes) -> bool:
    """Tell whether types of known kinds, one after the other, are just what a type section holds."""
    if len(types) % 4:
        return False
    words = memoryview(types).cast("I")  # `array` takes longer to import than this to read
    at, end = 0, len(words)
    try:
        while at < end:
            info = words[at + 1]
            if not 0 < info >> 24 & 0x7F < KINDS:
                return False
            at += _STEPS[info]
    except IndexError:
        return False
    return at == end


def _counted(types: bytes | memoryview) -> tuple[int, int]:
    """Return how many types begin in a piece of them, and how far the next one is from where the piece begins."""
    infos, steps = memoryview(types).cast("I")[1:], _KNOWN_STEPS
    at, count, last, end = 0, 0, 0, len(infos)
    while at < end:
        try:  # four at a time: there are a hundred thousand
            while True:
                last = at
                at += steps[infos[at]]
                at += steps[infos[at]]
                at += steps[infos[at]]
                at += steps[infos[at]]
                count += 4
        except KeyError as error:
            steps[error.args[0]] = _STEPS[error.args[0]]
            at = last
        except IndexError:
            at = last
            while at < end:
                at += _STEPS[infos[at]]
                count += 1
    return count, 4 * at


class Figures(NamedTuple):
    """What one has to know of BTF before reading it: where its types and strings stand, and how many types it has.

    Types are counted with number 0, void; 0 stands for: not counted yet.
    """

    types_at: int
    types_length: int
    strings_at: int
    strings_length: int
    counted: int = 0


class BaseBtf:
    """Raw BTF that stands for itself, such as /sys/kernel/btf/vmlinux, taken to be sound."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._take(figures_of(raw))

    def _take(self, figures: Figures) -> None:
        self.types_at, self.types_length, self.strings_at, self.strings_length, self._counted = figures

    def to_plain(self) -> tuple[int, ...]:
        """Return its figures, for who keeps them and not the whole."""
        return self.types_at, self.types_length, self.strings_at, self.strings_length, self._counted

    @property
    def count(self) -> int:
        """The number of types, with number 0: the number of the first type of BTF that continues this one."""
        if not self._counted:
            self._counted = len(self.offsets) if "offsets" in vars(self) else self._count()
        return self._counted

    def _count(self) -> int:
        return 1 + _counted(memoryview(self.raw)[self.types_at : self.types_at + self.types_length])[0]

    @cached_property
    def offsets(self) -> list[int]:
        """Where each type begins in `raw`, by its number; number 0 is void, which stands nowhere."""
        words = memoryview(self.raw)[self.types_at : self.types_at + self.types_length].cast("I")
        # The words one further on, so that the index of a type finds its `info`.
        infos, end = words[1:], len(words)
        at, steps, start = 0, _STEPS, self.types_at
        offsets = [0]
        append = offsets.append
        while at < end:
            append(start + 4 * at)
            at += steps[infos[at]]
        return offsets

    def kind(self, number: int) -> int:
        """Return the kind of a type, 0 for void."""
        return 0 if number == 0 else TYPE.unpack_from(self.raw, self.offsets[number])[1] >> 24 & 0x7F

    def string(self, offset: int, longest: int) -> bytes | None:
        """Return the string at an offset of its strings; None when it does not end after so many bytes."""
        start = self.strings_at + offset
        end = self.raw.find(b"\0", start, start + longest + 1)
        return self.raw[start:end] if end >= 0 else None


class BaseBtfInPlace(BaseBtf):
    """The same where it stands, of which the figures are known: the strings that are asked for are read.

    To count its types takes piece after piece. Only who asks for types makes it read all. What is asked raises
    MalformedModule when it cannot be read any more: nothing can be told of a module then.
    """

    def __init__(self, place: Searchable, figures: Figures) -> None:
        self._place = place
        self._take(figures)

    @cached_property
    def raw(self) -> bytes:  # type: ignore[override]
        """All of it."""
        return self._piece(0, len(self._place))

    def _count(self) -> int:
        count, at = 1, 0
        while at < self.types_length:
            piece = self._piece(self.types_at + at, min(PIECE, self.types_length - at))
            here, step = _counted(piece[: len(piece) // 4 * 4])
            if not here:
                raise MalformedModule("the kernel's type information ends in the middle of a type")
            count, at = count + here, at + step
        return count

    def string(self, offset: int, longest: int) -> bytes | None:
        """Return the string at an offset, as `BaseBtf.string` does."""
        start, size = self.strings_at + offset, min(USUAL_NAME, longest + 1)
        piece = self._piece(start, size)
        if b"\0" not in piece and size <= longest:
            piece = self._piece(start, longest + 1)
        string, ended, _ = piece.partition(b"\0")
        return string if ended else None

    def _piece(self, start: int, size: int) -> bytes:
        try:
            return self._place[start : start + size]
        except (OSError, ValueError) as error:
            raise MalformedModule(f"the kernel's type information: {error}") from error

    def __reduce__(self) -> tuple[Any, ...]:
        """Let all of it go along to where there is no such place."""
        return BaseBtf, (self.raw,)


class BaseBtfInFile(BaseBtfInPlace):
    """The same in a file that stays as it is."""

    def __init__(self, path: str, figures: Figures) -> None:
        self._path = path
        self._descriptor = -1
        self._take(figures)

    @cached_property
    def raw(self) -> bytes:  # type: ignore[override]
        """All of it."""
        try:
            with open(self._path, "rb") as file:  # noqa: PTH123 - see kernel_facts/paths.py
                return file.read()
        except OSError as error:
            raise MalformedModule(f"{self._path}: {error.strerror}") from error

    def _piece(self, start: int, size: int) -> bytes:
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
            return os.pread(self._descriptor, size, start)
        except OSError as error:
            raise MalformedModule(f"{self._path}: {error.strerror}") from error

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


def figures_of(raw: bytes) -> Figures:
    """Return what the header of raw BTF says."""
    fields = HEADER.unpack_from(raw)
    return Figures(fields[3] + fields[4], fields[5], fields[3] + fields[6], fields[7])


# A kernel's is asked for with each of its modules. By identity, as the hash of megabytes takes as long as reading them.
_BASES: dict[int, BaseBtf] = {}


def base_of(raw: bytes | BaseBtf) -> BaseBtf | None:
    """Return the base that raw BTF is, the same one for the same object; None when it is none."""
    if isinstance(raw, BaseBtf):
        return raw
    if len(raw) < HEADER.size or int.from_bytes(raw[:2], "little") != MAGIC:
        return None
    if id(raw) not in _BASES:
        _BASES[id(raw)] = BaseBtf(raw)  # which keeps `raw`, so that its id is never another's
    return _BASES[id(raw)]


def base_in(place: Searchable) -> BaseBtf | None:
    """Return the base that stands at a place, of which no more is read than is asked for; None when it is none."""
    head = place[: HEADER.size]
    if len(head) < HEADER.size or int.from_bytes(head[:2], "little") != MAGIC:
        return None
    return BaseBtfInPlace(place, figures_of(head))
