r"""Where a claim's quote stands in its document, and the words it leaves open.

A quote may have places that the document fills: with `words = { age = ["old", "modern"] }`, the quote
`finit_module(…); // {age}` is found whichever of the two stands there, and what was found is the variable
`$age` of the claim's selectors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracer.claims.model import Claim
from tracer.document_parts import failure_table_start, step_headings

_PLACE = re.compile(r"\\\{(\w+)\\\}")


class Found(NamedTuple):
    """A quote as it stands in the document: the words themselves, where, and what fills its open places."""

    text: str
    start: int
    words: Mapping[str, str]


class Sections:
    """The document's steps, and where their sections begin and end."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._headings = step_headings(text)
        self._table = failure_table_start(text)

    def find(
        self, quote: str, words: Mapping[str, Sequence[str]], step: int | None = None, row: str | None = None
    ) -> Found | None:
        """Return where a quote stands: in that step's section if it is there, else wherever it is first."""
        pattern = _pattern(quote, words)
        places = list(pattern.finditer(self._text))
        if row is not None and self._table is not None:
            preferred = [place for place in places if place.start() >= (self._table or 0)]
        else:
            preferred = [place for place in places if step is not None and self.step_at(place.start()) == step]
        for place in preferred or places:
            return Found(place[0], place.start(), place.groupdict())
        return None

    def step_at(self, position: int) -> int | None:
        """Return the number of the step in whose section a place of the text is; None before the first."""
        number = None
        for heading in self._headings:
            if heading.start <= position:
                number = heading.step
        return number


def quoted_span(claim: Claim, text: str) -> tuple[int, int] | None:
    """Return from where to where a claim's quote stands, the newline at its end left out; None when it is nowhere."""
    found = Sections(text).find(claim.quote, {}, claim.step, claim.row)
    return None if found is None else (found.start, found.start + max(len(claim.quote.rstrip("\n")), 1))


def _pattern(quote: str, words: Mapping[str, Sequence[str]]) -> re.Pattern[str]:
    def alternatives(place: re.Match[str]) -> str:
        name = place[1]
        return f"(?P<{name}>{'|'.join(map(re.escape, words[name]))})" if name in words else place[0]

    return re.compile(_PLACE.sub(alternatives, re.escape(quote)))
