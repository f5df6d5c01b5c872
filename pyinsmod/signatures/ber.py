"""Walk BER as the kernel's decoder does, so as to reject what it rejects (`asn1_ber_decoder`, lib/asn1_decoder.c).

Not a general decoder. It is led by a grammar, has at most 64 KiB of input and lengths of two bytes, takes any
form of a constructed value whether its tag says so or not, and lets alternatives go by in its own way.
"""

from __future__ import annotations

from pyinsmod.lean import Callable, Literal, NamedTuple, TypeAlias

CONSTRUCTED, LONG_TAG, INDEFINITE = 0x20, 0x1F, 0x80
LONGEST_MESSAGE, LONGEST_LENGTH = 0xFFFF, 2

Need = Literal["required", "optional", "alternative"]


class NotDecoded(Exception):
    """The kernel's parser gives up with that errno; `log` is the line it writes, if it writes one."""

    def __init__(self, errno: str, why: str, log: str | None = None) -> None:
        super().__init__(why)
        self.errno = errno
        self.why = why
        self.log = log


class Value(NamedTuple):
    """What a note is told: the tag, where the contents start (header before them), and how long they are."""

    tag: int
    header: int
    start: int
    length: int


class Match(NamedTuple):
    """One element of the grammar. `tag` None takes any; an alternative is passed over once another matched.

    `inner` makes it a constructed element; with `repeated` what is in there comes once or more often. `note`
    is called with the contents of an element that is not constructed, `end_note` at the end of one that is.
    """

    tag: int | None
    need: Need = "required"
    note: str | None = None
    inner: tuple[Item, ...] = ()
    repeated: bool = False
    end_note: str | None = None


class Note(NamedTuple):
    """A note by itself, about the element before; with `only_if_matched` only if that was there."""

    name: str
    only_if_matched: bool = False


class OneOfThem(NamedTuple):
    """One of the alternatives before has to have been there."""


Item: TypeAlias = "Match | Note | OneOfThem"
Notes: TypeAlias = Callable[[str, Value], None]


class Decoder:
    """One walk over `data`. `notes` is called in the order the kernel calls its actions."""

    def __init__(self, data: bytes, notes: Notes) -> None:
        self.data = data
        self.notes = notes
        self.at = 0
        self.end = len(data)
        self.last = Value(0, 0, 0, 0)
        self.matched = False
        self.last_matched = False

    def decode(self, grammar: tuple[Item, ...]) -> None:
        """Walk the whole grammar; what follows the message is not looked at.

        Raises:
            NotDecoded: the data do not fit the grammar, or a note gave up.
        """
        if self.end > LONGEST_MESSAGE:
            raise NotDecoded(
                "EMSGSIZE", f"{self.end} bytes of signature, and the kernel reads {LONGEST_MESSAGE} at most"
            )
        self._items(grammar)

    def _items(self, items: tuple[Item, ...]) -> None:
        for item in items:
            if isinstance(item, Match):
                self._match(item)
            elif isinstance(item, Note):
                if self.last_matched or not item.only_if_matched:
                    self.notes(item.name, self.last)
            elif not self.matched:
                raise self._damaged("none of the elements that may stand there")

    def _match(self, item: Match) -> None:
        passed_over = (item.need == "alternative" and self.matched) or (item.need != "required" and self.at == self.end)
        if passed_over:
            self.last_matched = False
            return
        self.matched = self.last_matched = False
        self._need(2)
        if not self._tag_fits(item):
            return
        self.matched = True
        length = self._length()
        if item.inner:
            self._constructed(item, length)
        else:
            self._simple(item, length)

    def _tag_fits(self, item: Match) -> bool:
        """Take the tag if it fits; say no if the element may be missing.

        The kernel lets a constructed element be tagged as a simple one, and not the other way round.
        """
        tag = self.data[self.at]
        if tag & LONG_TAG == LONG_TAG:
            raise self._damaged("a tag of more than one byte")
        if item.tag is not None and (item.tag ^ tag) & ~(item.tag & CONSTRUCTED):
            if item.need == "required":
                raise self._damaged(f"tag {tag:#04x} instead of {item.tag:#04x}")
            return False
        self.last = Value(tag, 2, self.at + 2, 0)
        self.at += 1
        return True

    def _length(self) -> int | None:
        """Take the length; None is an indefinite one, which ends with two zero bytes."""
        length = self.data[self.at]
        self.at += 1
        if length == INDEFINITE:
            if not self.last.tag & CONSTRUCTED:
                raise self._damaged("a simple element of indefinite length")
            self._need(2)
            return None
        if length > INDEFINITE:
            count = length - INDEFINITE
            if count > LONGEST_LENGTH:
                raise self._damaged(f"a length of {count} bytes")
            self._need(count)
            length = int.from_bytes(self.data[self.at : self.at + count], "big")
            self.at += count
            self.last = self.last._replace(header=2 + count)
        self._need(length)
        return length

    def _simple(self, item: Match, length: int | None) -> None:
        if length is None:
            length = self._indefinite_length()
        self.last = self.last._replace(start=self.at, length=length)
        if item.note:
            self.notes(item.note, self.last)
        self.at += length

    def _constructed(self, item: Match, length: int | None) -> None:
        opened, outer_end = self.last._replace(start=self.at), self.end
        if length is not None:
            self.end = self.at + length
        while True:
            self._items(item.inner)
            if not (item.repeated and self._more(length)):
                break
        length = self._close(opened.start, length)
        self.end = outer_end
        self.last = opened._replace(tag=0, length=length)
        if item.end_note:
            self.notes(item.end_note, self.last)
        if item.need != "required":
            self.matched = self.last_matched = True

    def _more(self, length: int | None) -> bool:
        if length is not None:
            return self.at < self.end
        self._need(2)
        return self.data[self.at] != 0

    def _close(self, start: int, length: int | None) -> int:
        """Leave a constructed element and return the length of its contents."""
        if length is not None:
            if self.at != self.end:
                raise self._damaged("an element does not end where its contents end")
            return self.at - start
        self._need(2)
        if self.data[self.at : self.at + 2] != b"\0\0":
            raise self._damaged("an element of indefinite length has no end")
        self.at += 2
        return self.at - start - 2

    def _indefinite_length(self) -> int:
        """Return the length of contents that nobody looks into, their end mark included."""
        at, level = self.at, 1
        while level:
            if self.end - at < 2:
                raise self._damaged("an element of indefinite length has no end")
            tag, at = self.data[at], at + 1
            if tag == 0:
                if self.data[at]:
                    raise self._damaged("an end mark that is none")
                at, level = at + 1, level - 1
            else:
                at, opened = self._skip_header(tag, at)
                level += opened
        return at - self.at

    def _skip_header(self, tag: int, at: int) -> tuple[int, int]:
        """Return where the next header is, and whether this one opened a level."""
        if tag & LONG_TAG == LONG_TAG:
            more = True
            while more:
                self._need(2, at)
                more, at = bool(self.data[at] & 0x80), at + 1
        length, at = self.data[at], at + 1
        if length == INDEFINITE:
            if not tag & CONSTRUCTED:
                raise self._damaged("a simple element of indefinite length")
            return at, 1
        if length > INDEFINITE:
            count = length - INDEFINITE
            self._need(count, at)
            length, at = int.from_bytes(self.data[at : at + count], "big"), at + count
        self._need(length, at)
        return at + length, 0

    def _need(self, count: int, at: int | None = None) -> None:
        if self.end - (self.at if at is None else at) < count:
            raise self._damaged("an element reaches beyond what encloses it")

    def _damaged(self, why: str) -> NotDecoded:
        return NotDecoded("EBADMSG", f"{why}, at byte {self.at} of the signature")
